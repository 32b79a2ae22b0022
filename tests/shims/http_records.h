/* The parts of http_config.c. Each returns what the API returns. */
#ifndef P80_SHIM_HTTP_RECORDS_H
#define P80_SHIM_HTTP_RECORDS_H

#include <winsock2.h>
#include <windows.h>

#define SHIM_HTTP_PARAMETERS L"SYSTEM\\CurrentControlSet\\Services\\HTTP\\Parameters"

typedef enum shim_verb { SHIM_SET, SHIM_UPDATE, SHIM_DELETE } shim_verb;

HKEY shim_http_key(const wchar_t *path);

ULONG shim_ssl_change(int id, void *info, ULONG size, shim_verb verb);
ULONG shim_ssl_query(int id, void *in, ULONG in_size, void *out, ULONG out_size, ULONG *needed);
ULONG shim_value_change(int id, void *info, ULONG size, shim_verb verb);
ULONG shim_value_query(int id, void *in, ULONG in_size, void *out, ULONG out_size, ULONG *needed);

#endif
