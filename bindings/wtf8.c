#include "wtf8.h"

#include <stdint.h>

static int is_high(uint32_t unit) { return unit >= 0xD800 && unit <= 0xDBFF; }
static int is_low(uint32_t unit) { return unit >= 0xDC00 && unit <= 0xDFFF; }

/* Decodes one code point at `s`; returns its length in bytes, 0 when there is none. */
static size_t decode(const unsigned char *s, size_t n, uint32_t *code) {
  static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  size_t length;
  if (s[0] < 0x80) {
    *code = s[0];
    return 1;
  }
  if (s[0] >= 0xC2 && s[0] <= 0xDF) length = 2;
  else if ((s[0] & 0xF0) == 0xE0) length = 3;
  else if (s[0] >= 0xF0 && s[0] <= 0xF4) length = 4;
  else return 0;
  if (n < length) return 0;
  uint32_t value = s[0] & (0xFFU >> (length + 1));
  for (size_t i = 1; i < length; i++) {
    if ((s[i] & 0xC0) != 0x80) return 0;
    value = value << 6 | (s[i] & 0x3FU);
  }
  if (value < least[length] || value > 0x10FFFF) return 0;
  *code = value;
  return length;
}

size_t wtf8_wide_length(const char *s, size_t n) {
  size_t units = 0;
  uint32_t last = 0;
  for (size_t i = 0; i < n;) {
    uint32_t code;
    size_t length = decode((const unsigned char *)s + i, n - i, &code);
    if (length == 0 || (is_high(last) && is_low(code))) return WTF8_INVALID;
    units += code >= 0x10000 ? 2 : 1;
    last = code;
    i += length;
  }
  return units;
}

void wtf8_to_wide(const char *s, size_t n, wchar_t *out) {
  for (size_t i = 0; i < n;) {
    uint32_t code = 0;
    i += decode((const unsigned char *)s + i, n - i, &code);
    if (code >= 0x10000) {
      code -= 0x10000;
      *out++ = (wchar_t)(0xD800 + (code >> 10));
      *out++ = (wchar_t)(0xDC00 + (code & 0x3FF));
    } else {
      *out++ = (wchar_t)code;
    }
  }
}

/* Reads one code point of UTF-16 at `w`; returns how many units it took. */
static size_t read_unit(const wchar_t *w, size_t n, uint32_t *code) {
  *code = w[0];
  if (!is_high(w[0]) || n < 2 || !is_low(w[1])) return 1;
  *code = 0x10000 + ((w[0] & 0x3FFU) << 10) + (w[1] & 0x3FFU);
  return 2;
}

size_t wtf8_length(const wchar_t *w, size_t n) {
  size_t bytes = 0;
  for (size_t i = 0; i < n;) {
    uint32_t code;
    i += read_unit(w + i, n - i, &code);
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return bytes;
}

static size_t encode(uint32_t code, char *out) {
  if (code < 0x80) {
    out[0] = (char)code;
    return 1;
  }
  size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  for (size_t i = length - 1; i > 0; i--, code >>= 6) out[i] = (char)(0x80 | (code & 0x3F));
  out[0] = (char)((0xF00U >> length & 0xF0) | code);
  return length;
}

size_t wtf8_from_wide(const wchar_t *w, size_t n, char *out) {
  char *start = out;
  for (size_t i = 0; i < n;) {
    uint32_t code;
    i += read_unit(w + i, n - i, &code);
    out += encode(code, out);
  }
  return (size_t)(out - start);
}
