/* Unpacking of deflate (RFC 1951), by libdeflate. */
#ifndef P80_INFLATE_H
#define P80_INFLATE_H

#include <lua.h>
#include <stddef.h>

/* Unpacks all of `packed` to exactly `size` bytes; returns whether it is whole and of that size. */
int inflate_all(const void *packed, size_t packed_size, void *text, size_t size);

/* inflate(packed, size) -> the text, or nil */
int inflate_call(lua_State *L);

#endif
