/* What p80 is measured against: formats the columns of a TCP table of N rows with the C library, as a program in C
 * would. The rows are those of tests/shims/tcp_table.c. Prints nanoseconds of the processor's time a row. */
#include <winsock2.h>
#include <ws2tcpip.h>
#include <windows.h>
#include <iphlpapi.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const states[] = {"", "closed", "listen", "syn_sent", "syn_received", "established"};

static void make_row(MIB_TCPROW_OWNER_PID *row, DWORD i) {
  row->dwState = i % 16 == 0 ? MIB_TCP_STATE_LISTEN : MIB_TCP_STATE_ESTAB;
  row->dwLocalAddr = htonl(0x0A000000 | (i >> 16));
  row->dwLocalPort = htons((u_short)(1 + i % 65535));
  row->dwRemoteAddr = htonl(0xC0A80000 | (i * 40503 & 0xFFFF));
  row->dwRemotePort = htons((u_short)(49152 + i % 16384));
  row->dwOwningPid = 4 + i % 4096 * 4;
}

static int format_address(char *out, size_t size, DWORD address) {
  const unsigned char *b = (const unsigned char *)&address;
  return snprintf(out, size, "%u.%u.%u.%u", b[0], b[1], b[2], b[3]);
}

/* Formats one row; returns its length, so that nothing is optimised away. */
static int format_row(const MIB_TCPROW_OWNER_PID *row) {
  char local[16], remote[16], line[128];
  format_address(local, sizeof local, row->dwLocalAddr);
  format_address(remote, sizeof remote, row->dwRemoteAddr);
  return snprintf(line, sizeof line, "ipv4 %s %u %s %u %s %lu", local, ntohs((u_short)row->dwLocalPort), remote,
                  ntohs((u_short)row->dwRemotePort), states[row->dwState], row->dwOwningPid);
}

static double processor_seconds(void) {
  FILETIME created, ended, kernel, user;
  GetProcessTimes(GetCurrentProcess(), &created, &ended, &kernel, &user);
  ULARGE_INTEGER spent = {.LowPart = kernel.dwLowDateTime, .HighPart = kernel.dwHighDateTime};
  ULARGE_INTEGER more = {.LowPart = user.dwLowDateTime, .HighPart = user.dwHighDateTime};
  return (double)(spent.QuadPart + more.QuadPart) / 1e7;
}

int main(int argc, char **argv) {
  DWORD rows = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000;
  DWORD rounds = rows > 0 ? 4000000 / rows + 1 : 1;
  MIB_TCPROW_OWNER_PID *table = malloc(rows * sizeof *table);
  if (table == NULL) return 1;
  for (DWORD i = 0; i < rows; i++) make_row(&table[i], i);
  double began = processor_seconds();
  unsigned long long length = 0;
  for (DWORD round = 0; round < rounds; round++)
    for (DWORD i = 0; i < rows; i++) length += (unsigned)format_row(&table[i]);
  double seconds = processor_seconds() - began;
  printf("%.1f %llu\n", seconds * 1e9 / ((double)rows * rounds), length);
  free(table);
  return 0;
}
