/* IP addresses as text: IPv4 in dotted decimal, IPv6 as RFC 5952 writes it, so that equal addresses are equal text.
 */
#ifndef P80_ADDRESS_H
#define P80_ADDRESS_H

#include <stddef.h>

/* Room for the longest text with its terminator: 45 characters of an IPv6 address, '%' and a zone of ten digits. */
#define ADDRESS_ROOM 64

typedef struct ip_address {
  int family;              /* 4 or 6 */
  unsigned char bytes[16]; /* network order; IPv4 has four */
  unsigned long zone;      /* scope id of an IPv6 address, 0: none */
} ip_address;

/* Write the text (no terminator) and return its length. */
size_t address_write4(const unsigned char bytes[4], char *out);
size_t address_write6(const unsigned char bytes[16], unsigned long zone, char *out);
size_t address_write(const ip_address *address, char *out);

/* Reads `text`: four decimal numbers without leading zeros, or an IPv6 address with an optional numeric zone
 * ("fe80::1%4"). Returns 0 for anything else. */
int address_read(const char *text, ip_address *out);

#endif
