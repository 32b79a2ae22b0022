/* GetExtendedTcpTable with owners that Wine does not know, or with a table of any size.
 * https://learn.microsoft.com/windows/win32/api/iphlpapi/nf-iphlpapi-getextendedtcptable
 *
 * P80_SHIM_TCP_OWNER=1: listeners belong to the pids that fixtures/holder.c noted in the registry: 4 for HTTP.SYS,
 * as on Windows; ports that nobody noted keep what Wine says.
 * P80_SHIM_TCP_CLOSE=1: SetTcpEntry ends a connection, as far as the table shows: both ends are noted in the
 * registry, under HKLM\SYSTEM\p80-test\closed, and left out of tables from then on. Who is no administrator may not.
 * https://learn.microsoft.com/windows/win32/api/iphlpapi/nf-iphlpapi-settcpentry
 * P80_SHIM_TCP_ROWS=n: a table of n rows for IPv4 and none for IPv6, always the same: for measuring. */
#include <winsock2.h>
#include <ws2tcpip.h>
#include <windows.h>
#include <iphlpapi.h>
#include <stddef.h>
#include <stdio.h>

#include "shim.h"

/* The pid noted for a port, or `missing`. */
static DWORD noted_owner(DWORD network_port, ULONG family, DWORD missing) {
  wchar_t name[16];
  DWORD pid = 0, size = sizeof pid;
  HKEY key;
  _snwprintf(name, 16, family == AF_INET6 ? L"%d/6" : L"%d", ntohs((u_short)network_port));
  if (RegOpenKeyExW(HKEY_LOCAL_MACHINE, L"SYSTEM\\p80-test\\owners", 0, KEY_QUERY_VALUE | KEY_WOW64_64KEY, &key))
    return missing;
  LSTATUS failed = RegQueryValueExW(key, name, NULL, NULL, (BYTE *)&pid, &size);
  RegCloseKey(key);
  return failed ? missing : pid;
}

static void set_owners(void *table, ULONG family) {
  MIB_TCPTABLE_OWNER_PID *four = table;
  MIB_TCP6TABLE_OWNER_PID *six = table;
  for (DWORD i = 0; family == AF_INET && i < four->dwNumEntries; i++) {
    MIB_TCPROW_OWNER_PID *row = &four->table[i];
    if (row->dwState == MIB_TCP_STATE_LISTEN)
      row->dwOwningPid = noted_owner(row->dwLocalPort, family, row->dwOwningPid);
  }
  for (DWORD i = 0; family == AF_INET6 && i < six->dwNumEntries; i++) {
    MIB_TCP6ROW_OWNER_PID *row = &six->table[i];
    if (row->dwState == MIB_TCP_STATE_LISTEN)
      row->dwOwningPid = noted_owner(row->dwLocalPort, family, row->dwOwningPid);
  }
}

/* Row i: ports, addresses, states and pids that vary as those of a busy server do; the remote addresses, 65,536 before
 * they come again, are in no order. */
static void make_row(MIB_TCPROW_OWNER_PID *row, DWORD i) {
  int listens = i % 16 == 0;
  row->dwState = listens ? MIB_TCP_STATE_LISTEN : i % 3 ? MIB_TCP_STATE_ESTAB : MIB_TCP_STATE_TIME_WAIT;
  row->dwLocalAddr = listens ? 0 : htonl(0x0A000000 | (i >> 16));
  row->dwLocalPort = htons((u_short)(1 + i % 65535));
  row->dwRemoteAddr = listens ? 0 : htonl(0xC0A80000 | (i * 40503 & 0xFFFF));
  row->dwRemotePort = htons((u_short)(listens ? 0 : 49152 + i % 16384));
  row->dwOwningPid = 4 + i % 4096 * 4;
}

static DWORD make_table(void *table, DWORD *size, DWORD rows) {
  DWORD needed = (DWORD)(offsetof(MIB_TCPTABLE_OWNER_PID, table) + rows * sizeof(MIB_TCPROW_OWNER_PID));
  MIB_TCPTABLE_OWNER_PID *out = table;
  DWORD given = *size;
  *size = needed;
  if (out == NULL || given < needed) return ERROR_INSUFFICIENT_BUFFER;
  out->dwNumEntries = rows;
  for (DWORD i = 0; i < rows; i++) make_row(&out->table[i], i);
  return NO_ERROR;
}

/* ---- Ending connections ---- */

static const wchar_t closed_key[] = L"SYSTEM\\p80-test\\closed";

/* The name of the value for a connection, seen from one of its ends. */
static void name_connection(wchar_t out[64], DWORD address, DWORD port, DWORD remote_address, DWORD remote_port) {
  _snwprintf(out, 64, L"%08lx:%u-%08lx:%u", ntohl(address), ntohs((u_short)port), ntohl(remote_address),
             ntohs((u_short)remote_port));
}

static int is_closed(HKEY key, const MIB_TCPROW *row) {
  wchar_t name[64];
  name_connection(name, row->dwLocalAddr, row->dwLocalPort, row->dwRemoteAddr, row->dwRemotePort);
  return row->dwState != MIB_TCP_STATE_LISTEN && RegQueryValueExW(key, name, NULL, NULL, NULL, NULL) == ERROR_SUCCESS;
}

/* Takes the closed ones out of a table whose rows begin with the columns of MIB_TCPROW. */
static void leave_out_closed(DWORD *count, char *rows, size_t size) {
  HKEY key;
  DWORD kept = 0;
  if (RegOpenKeyExW(HKEY_LOCAL_MACHINE, closed_key, 0, KEY_QUERY_VALUE | KEY_WOW64_64KEY, &key)) return;
  for (DWORD i = 0; i < *count; i++) {
    if (is_closed(key, (const MIB_TCPROW *)(rows + i * size))) continue;
    memmove(rows + kept++ * size, rows + i * size, size);
  }
  *count = kept;
  RegCloseKey(key);
}

static DWORD note_closed(const MIB_TCPROW *row) {
  wchar_t name[64];
  HKEY key;
  DWORD failed = (DWORD)RegCreateKeyExW(HKEY_LOCAL_MACHINE, closed_key, 0, NULL, 0, KEY_SET_VALUE | KEY_WOW64_64KEY,
                                        NULL, &key, NULL);
  if (failed) return failed;
  name_connection(name, row->dwLocalAddr, row->dwLocalPort, row->dwRemoteAddr, row->dwRemotePort);
  failed = (DWORD)RegSetValueExW(key, name, 0, REG_NONE, NULL, 0);
  name_connection(name, row->dwRemoteAddr, row->dwRemotePort, row->dwLocalAddr, row->dwLocalPort);
  if (!failed) failed = (DWORD)RegSetValueExW(key, name, 0, REG_NONE, NULL, 0);
  RegCloseKey(key);
  return failed;
}

static DWORD WINAPI set_entry(MIB_TCPROW *row) {
  if (!shim_is_set("P80_SHIM_TCP_CLOSE", "1")) return SetTcpEntry(row);
  if (shim_is_set("P80_SHIM_UNELEVATED", "1")) return ERROR_ACCESS_DENIED;
  if (row == NULL || row->dwState != MIB_TCP_STATE_DELETE_TCB) return ERROR_INVALID_PARAMETER;
  return note_closed(row);
}

/* ---- Tables ---- */

static DWORD WINAPI get_table(void *table, DWORD *size, BOOL sorted, ULONG family, TCP_TABLE_CLASS class,
                              ULONG reserved) {
  char rows[32];
  int with_owner = class >= TCP_TABLE_OWNER_PID_LISTENER && class <= TCP_TABLE_OWNER_PID_ALL;
  if (with_owner && size && GetEnvironmentVariableA("P80_SHIM_TCP_ROWS", rows, sizeof rows))
    return make_table(table, size, family == AF_INET ? shim_number("P80_SHIM_TCP_ROWS") : 0);
  DWORD failed = GetExtendedTcpTable(table, size, sorted, family, class, reserved);
  if (!failed && table && family == AF_INET && shim_is_set("P80_SHIM_TCP_CLOSE", "1")) {
    MIB_TCPTABLE_OWNER_PID *pids = table;
    MIB_TCPTABLE_OWNER_MODULE *modules = table;
    if (with_owner) leave_out_closed(&pids->dwNumEntries, (char *)pids->table, sizeof *pids->table);
    else leave_out_closed(&modules->dwNumEntries, (char *)modules->table, sizeof *modules->table);
  }
  if (!failed && table && class > TCP_TABLE_OWNER_PID_ALL) shim_set_created_tcp(table, family);
  if (!failed && table && with_owner && shim_is_set("P80_SHIM_TCP_OWNER", "1")) set_owners(table, family);
  return failed;
}

const shim_replacement shim_tcp_table[] = {
    SHIM_REPLACE(GetExtendedTcpTable, get_table), SHIM_REPLACE(SetTcpEntry, set_entry), {NULL, NULL}};
