/* UTF-8 <-> UTF-16. Lone surrogates travel as WTF-8 (https://wtf-8.codeberg.page), so that every name that
 * Windows can hold survives the round trip; everything else that is not UTF-8 is refused. */
#ifndef P80_WTF8_H
#define P80_WTF8_H

#include <stddef.h>
#include <wchar.h>

#define WTF8_INVALID ((size_t)-1)

/* UTF-16 units that `n` bytes at `s` need, without a terminator; WTF8_INVALID when they are no WTF-8. */
size_t wtf8_wide_length(const char *s, size_t n);

/* Converts `n` valid bytes; `out` has room for wtf8_wide_length units. No terminator is written. */
void wtf8_to_wide(const char *s, size_t n, wchar_t *out);

/* Bytes that `n` UTF-16 units at `w` need, without a terminator. */
size_t wtf8_length(const wchar_t *w, size_t n);

/* Converts `n` units into `out`, which has room for wtf8_length bytes (3 * n always suffice); returns the
 * number of bytes. No terminator is written. */
size_t wtf8_from_wide(const wchar_t *w, size_t n, char *out);

#endif
