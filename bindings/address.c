#include "address.h"

#include <string.h>

/* ---- Writing ---- */

/* A number below 256 in decimal. */
static char *put_byte(char *out, unsigned n) {
  if (n >= 100) {
    *out++ = (char)('0' + n / 100);
    n %= 100;
    *out++ = (char)('0' + n / 10);
    n %= 10;
  } else if (n >= 10) {
    *out++ = (char)('0' + n / 10);
    n %= 10;
  }
  *out++ = (char)('0' + n);
  return out;
}

static char *put_ipv4(char *out, const unsigned char bytes[4]) {
  out = put_byte(out, bytes[0]);
  for (int i = 1; i < 4; i++) {
    *out++ = '.';
    out = put_byte(out, bytes[i]);
  }
  return out;
}

/* A 16-bit group in lower-case hexadecimal without leading zeros. */
static char *put_group(char *out, unsigned group) {
  static const char digits[] = "0123456789abcdef";
  if (group >= 0x1000) *out++ = digits[group >> 12];
  if (group >= 0x100) *out++ = digits[group >> 8 & 15];
  if (group >= 0x10) *out++ = digits[group >> 4 & 15];
  *out++ = digits[group & 15];
  return out;
}

static char *put_zone(char *out, unsigned long zone) {
  char digits[10];
  int n = 0;
  *out++ = '%';
  do digits[n++] = (char)('0' + zone % 10);
  while ((zone /= 10) != 0);
  while (n > 0) *out++ = digits[--n];
  return out;
}

/* The longest run of two or more zero groups, the first of equals: what "::" stands for. */
static void find_gap(const unsigned groups[8], int *start, int *length) {
  *start = *length = 0;
  for (int i = 0; i < 8; i++) {
    int n = 0;
    while (i + n < 8 && groups[i + n] == 0) n++;
    if (n > 1 && n > *length) {
      *start = i;
      *length = n;
    }
    i += n;
  }
}

static char *put_ipv6(char *out, const unsigned char bytes[16]) {
  static const unsigned char mapped[12] = {[10] = 0xFF, [11] = 0xFF};
  if (memcmp(bytes, mapped, sizeof mapped) == 0) {
    memcpy(out, "::ffff:", 7);
    return put_ipv4(out + 7, bytes + 12);
  }
  unsigned groups[8];
  int gap, gap_length;
  for (int i = 0; i < 8; i++) groups[i] = (unsigned)bytes[2 * i] << 8 | bytes[2 * i + 1];
  find_gap(groups, &gap, &gap_length);
  for (int i = 0; i < 8; i++) {
    if (gap_length > 0 && i == gap) {
      *out++ = ':';
      if (i == 0) *out++ = ':';
      i += gap_length - 1;
      continue;
    }
    out = put_group(out, groups[i]);
    if (i < 7) *out++ = ':';
  }
  return out;
}

size_t address_write4(const unsigned char bytes[4], char *out) { return (size_t)(put_ipv4(out, bytes) - out); }

size_t address_write6(const unsigned char bytes[16], unsigned long zone, char *out) {
  char *end = put_ipv6(out, bytes);
  if (zone != 0) end = put_zone(end, zone);
  return (size_t)(end - out);
}

size_t address_write(const ip_address *address, char *out) {
  return address->family == 4 ? address_write4(address->bytes, out)
                              : address_write6(address->bytes, address->zone, out);
}

/* ---- Reading ---- */

/* A decimal number of at most `most` without leading zeros; moves `text` behind it. */
static int read_number(const char **text, unsigned long most, unsigned long *out) {
  const char *s = *text;
  unsigned long n = 0;
  if (*s < '0' || *s > '9' || (*s == '0' && s[1] >= '0' && s[1] <= '9')) return 0;
  for (; *s >= '0' && *s <= '9'; s++) {
    unsigned long digit = (unsigned long)(*s - '0');
    if (n > (most - digit) / 10) return 0;
    n = n * 10 + digit;
  }
  *text = s;
  *out = n;
  return 1;
}

/* Four numbers with dots between; moves `text` behind them. */
static int read_ipv4(const char **text, unsigned char out[4]) {
  const char *s = *text;
  for (int i = 0; i < 4; i++) {
    unsigned long n;
    if (i > 0 && *s++ != '.') return 0;
    if (!read_number(&s, 255, &n)) return 0;
    out[i] = (unsigned char)n;
  }
  *text = s;
  return 1;
}

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/* One to four hexadecimal digits as two bytes; moves `text` behind them. */
static int read_group(const char **text, unsigned char out[2]) {
  const char *s = *text;
  unsigned n = 0;
  while (hex_digit(*s) >= 0 && s - *text < 4) n = n << 4 | (unsigned)hex_digit(*s++);
  if (s == *text || hex_digit(*s) >= 0) return 0;
  out[0] = (unsigned char)(n >> 8);
  out[1] = (unsigned char)n;
  *text = s;
  return 1;
}

/* The groups of an IPv6 address up to the end or '%'; `gap` is where "::" stood, in bytes, or -1. Returns the number
 * of bytes read, or -1. */
static int read_groups(const char **text, unsigned char out[16], int *gap) {
  const char *s = *text;
  int n = 0;
  *gap = -1;
  if (s[0] == ':' && s[1] != ':') return -1;
  while (*s && *s != '%') {
    if (s[0] == ':' && s[1] == ':') {
      if (*gap >= 0) return -1;
      *gap = n;
      s += 2;
      continue;
    }
    if (*s == ':') {
      if (n == 0 || *gap == n || s[1] == 0 || s[1] == '%') return -1;
      s++;
    }
    const char *dotted = s;
    if (n <= 12 && read_ipv4(&dotted, out + n)) {
      n += 4;
      s = dotted;
      if (*s && *s != '%') return -1;
    } else if (n > 14 || !read_group(&s, out + n) || (*s && *s != ':' && *s != '%')) {
      return -1;
    } else {
      n += 2;
    }
  }
  *text = s;
  return n;
}

static int read_ipv6(const char *text, ip_address *out) {
  unsigned char bytes[16];
  int gap, n = read_groups(&text, bytes, &gap);
  if (n < 0 || (gap < 0 ? n != 16 : n > 14)) return 0;
  memset(out, 0, sizeof *out);
  out->family = 6;
  if (gap < 0) gap = n;
  memcpy(out->bytes, bytes, (size_t)gap);
  memcpy(out->bytes + 16 - (n - gap), bytes + gap, (size_t)(n - gap));
  if (*text++ != '%') return 1;
  return read_number(&text, 0xFFFFFFFF, &out->zone) && *text == 0;
}

int address_read(const char *text, ip_address *out) {
  memset(out, 0, sizeof *out);
  out->family = 4;
  const char *end = text;
  if (read_ipv4(&end, out->bytes) && *end == 0) return 1;
  return read_ipv6(text, out);
}
