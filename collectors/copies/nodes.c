/* Where the threads that are known stand: places in mapped memory that are never given back, so
 * that who looks at one finds a state there, whatever has become of its thread. */
#include "core.h"

enum { POOL_NODES = 1024, POOLS = 64, NODE_BYTES = 2048 };

_Static_assert(sizeof(Node) <= NODE_BYTES, "a node has its place in a pool");

uint32_t lp_nodes_used;
static char *pools[POOLS];

Node *lp_node_at(uint32_t number)
{
    if (number >= POOLS * POOL_NODES)
        return NULL;
    char *pool = __atomic_load_n(&pools[number / POOL_NODES], __ATOMIC_ACQUIRE);
    return pool == NULL ? NULL : (Node *)(pool + (size_t)(number % POOL_NODES) * NODE_BYTES);
}

static Node *make_node_at(uint32_t number)
{
    char **pool = &pools[number / POOL_NODES];
    if (__atomic_load_n(pool, __ATOMIC_ACQUIRE) == NULL) {
        char *made = lp_map((size_t)POOL_NODES * NODE_BYTES), *none = NULL;
        if (made == NULL)
            return NULL;
        if (!__atomic_compare_exchange_n(pool, &none, made, false, __ATOMIC_ACQ_REL,
                                         __ATOMIC_ACQUIRE))
            lp_unmap(made, (size_t)POOL_NODES * NODE_BYTES);
    }
    return lp_node_at(number);
}

bool lp_node_change(Node *node, uint32_t from, uint32_t to)
{
    return __atomic_compare_exchange_n(&node->state, &from, to, false, __ATOMIC_ACQ_REL,
                                       __ATOMIC_RELAXED);
}

static Node *find_free(void)
{
    uint32_t used = __atomic_load_n(&lp_nodes_used, __ATOMIC_RELAXED);
    for (uint32_t i = 0; i < used; i++) {
        Node *node = lp_node_at(i);
        if (node != NULL && __atomic_load_n(&node->state, __ATOMIC_RELAXED) == NODE_FREE &&
            lp_node_change(node, NODE_FREE, NODE_TAKEN))
            return node;
    }
    return NULL;
}

Node *lp_node_take(void)
{
    for (;;) {
        Node *node = find_free();
        if (node != NULL)
            return node;
        uint32_t number = __atomic_fetch_add(&lp_nodes_used, 1, __ATOMIC_RELAXED);
        if (number >= POOLS * POOL_NODES || (node = make_node_at(number)) == NULL) {
            __atomic_fetch_sub(&lp_nodes_used, 1, __ATOMIC_RELAXED);
            return NULL;
        }
        if (lp_node_change(node, NODE_FREE, NODE_TAKEN))
            return node;
    }
}
