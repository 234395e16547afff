/* What a code object says of itself: file, function, and the place of an instruction. */
#include "interpreter.h"

#include <stdio.h>
#include <string.h>

/* ---- the location table (Objects/locations.md of CPython, 3.11 and later) ---- */

typedef struct {
    const uint8_t *at, *end;
} Table;

static unsigned next_byte(Table *table) { return table->at < table->end ? *table->at++ : 0; }

static unsigned read_varint(Table *table)
{
    unsigned byte = next_byte(table), value = byte & 63;
    for (int shift = 6; byte & 64 && shift < 32; shift += 6) {
        byte = next_byte(table);
        value |= (byte & 63) << shift;
    }
    return value;
}

static int read_signed_varint(Table *table)
{
    unsigned value = read_varint(table);
    return value & 1 ? -(int)(value >> 1) : (int)(value >> 1);
}

enum { ONE_LINE_0 = 10, ONE_LINE_2 = 12, NO_COLUMNS = 13, LONG_FORM = 14, NO_LOCATION = 15 };

/* Reads one entry; *line runs along. */
static Position read_entry(Table *table, unsigned form, int *line)
{
    Position position = {-1, -1, -1, -1};
    if (form == NO_LOCATION)
        return position;
    if (form == LONG_FORM || form == NO_COLUMNS)
        *line += read_signed_varint(table);
    else if (form >= ONE_LINE_0)
        *line += (int)(form - ONE_LINE_0);
    position.line = position.end_line = *line;
    if (form == LONG_FORM) {
        position.end_line += (int)read_varint(table);
        position.column = (int)read_varint(table) - 1;
        position.end_column = (int)read_varint(table) - 1;
    } else if (form >= ONE_LINE_0 && form <= ONE_LINE_2) {
        position.column = (int)next_byte(table);
        position.end_column = (int)next_byte(table);
    } else if (form < ONE_LINE_0) {
        unsigned byte = next_byte(table);
        position.column = (int)(form << 3 | byte >> 4);
        position.end_column = position.column + (int)(byte & 15);
    }
    return position;
}

bool lp_python_position(const void *code, int32_t instruction, Position *position)
{
    const PythonLayout *layout = &lp_interpreter.layout;
    const char *bytes = lp_pointer_at(code, layout->linetable);
    int line = lp_int_at(code, layout->firstlineno);
    *position = (Position){line, line, -1, -1};
    if (instruction < 0 || bytes == NULL || lp_type(bytes) != lp_interpreter.bytes_type)
        return instruction < 0; /* not begun: the line of the definition */
    Table table = {(const uint8_t *)bytes + BYTES_DATA, NULL};
    table.end = table.at + lp_long_at(bytes, OBJECT_SIZE);
    for (int64_t unit = 0; table.at < table.end;) {
        unsigned first = next_byte(&table);
        unit += (first & 7) + 1;
        *position = read_entry(&table, first >> 3 & 15, &line);
        if (instruction < 2 * unit)
            return true;
    }
    return false;
}

/* ---- text ---- */

static size_t put_utf8(uint32_t point, char *to)
{
    if (point == '\t' || point == '\n' || point == '\r')
        point = ' ';
    if (point >= 0xD800 && point < 0xE000)
        point = 0xFFFD; /* half a pair, as of a path that is not UTF-8 */
    if (point < 0x80) {
        to[0] = (char)point;
        return 1;
    }
    size_t length = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    for (size_t k = length - 1; k > 0; k--, point >>= 6)
        to[k] = (char)(0x80 | (point & 63));
    to[0] = (char)((0xF00u >> length & 0xFF) | point);
    return length;
}

size_t lp_python_text(const void *string, char *text, size_t room)
{
    if (string == NULL || lp_type(string) != lp_interpreter.text_type || room < 1)
        return 0;
    uint32_t state = (uint32_t)lp_int_at(string, TEXT_STATE);
    unsigned width = state >> 2 & 7;
    bool compact = state >> 5 & 1, ascii = state >> 6 & 1;
    if (!compact || (width != 1 && width != 2 && width != 4))
        return 0;
    const PythonLayout *layout = &lp_interpreter.layout;
    const char *data = (const char *)string + (ascii ? layout->ascii : layout->compact);
    size_t written = 0;
    for (int64_t k = 0; k < lp_long_at(string, TEXT_LENGTH); k++) {
        uint32_t point = width == 1   ? (uint8_t)data[k]
                         : width == 2 ? ((const uint16_t *)data)[k]
                                      : ((const uint32_t *)data)[k];
        if (room - written < 4)
            return 0;
        written += put_utf8(point, text + written);
    }
    return written;
}

static int not_negative(int value) { return value < 0 ? 0 : value; }

size_t lp_python_describe(const PythonFrame *frame, char *text, size_t room)
{
    const PythonLayout *layout = &lp_interpreter.layout;
    Position place;
    lp_python_position(frame->code, frame->instruction, &place);
    size_t file = lp_python_text(lp_pointer_at(frame->code, layout->filename), text, room);
    if (room - file < 64)
        return 0;
    int numbers = snprintf(text + file, room - file, "\t%d\t%d\t%d\t%d\t", not_negative(place.line),
                           not_negative(place.end_line), not_negative(place.column),
                           not_negative(place.end_column));
    size_t written = file + (size_t)numbers;
    written += lp_python_text(lp_pointer_at(frame->code, layout->qualname), text + written,
                              room - written);
    if (room - written < 1)
        return 0;
    text[written++] = '\n';
    return written;
}
