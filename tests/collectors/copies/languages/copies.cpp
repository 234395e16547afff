// Nine copies of 1 MiB that C++ makes by memmove or memcpy, and a conversion that it does by a loop.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

int main()
{
    std::vector<uint8_t> source(1 << 20, 7);
    unsigned long sum = 0;
    for (int i = 0; i < 3; i++) {
        std::vector<uint8_t> copied(source); // copy construction
        sum += copied[i];
    }
    std::vector<uint8_t> target(1 << 20);
    for (int i = 0; i < 3; i++) {
        std::copy(source.begin(), source.end(), target.begin());
        asm volatile("" : : "r"(target.data()) : "memory");
        sum += target[i];
    }
    for (int i = 0; i < 3; i++) {
        std::string text(reinterpret_cast<const char *>(source.data()), source.size());
        sum += static_cast<unsigned char>(text[i]);
    }
    std::vector<float> wide(1 << 18);
    std::copy(source.begin(), source.begin() + (1 << 18), wide.begin()); // a loop: nobody sees it
    asm volatile("" : : "r"(wide.data()) : "memory");
    std::printf("%lu\n", sum + static_cast<unsigned long>(wide[0]));
}
