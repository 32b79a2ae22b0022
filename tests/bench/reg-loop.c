/* What p80 is measured against: enumerates the values of HKCU\Software\p80-bench-values with the calls that p80 makes, as a
 * program in C would. Prints nanoseconds a pass and the values of one. */
#include <windows.h>
#include <stdio.h>
#include <stdlib.h>

/* Reads all values of the key; returns how many there are, -1 for an error. */
static long enumerate(void) {
  HKEY key;
  DWORD longest, largest;
  if (RegOpenKeyExW(HKEY_CURRENT_USER, L"Software\\p80-bench-values", 0, KEY_QUERY_VALUE, &key) != ERROR_SUCCESS)
    return -1;
  LSTATUS status = RegQueryInfoKeyW(key, NULL, NULL, NULL, NULL, NULL, NULL, NULL, &longest, &largest, NULL, NULL);
  wchar_t *name = malloc((longest + 1) * sizeof *name);
  BYTE *data = malloc(largest + 1);
  DWORD i = 0;
  for (; status == ERROR_SUCCESS && name && data; i++) {
    DWORD length = longest + 1, size = largest, type;
    status = RegEnumValueW(key, i, name, &length, NULL, &type, data, &size);
  }
  free(name);
  free(data);
  RegCloseKey(key);
  return status == ERROR_NO_MORE_ITEMS ? (long)i - 1 : -1;
}

int main(int argc, char **argv) {
  int rounds = argc > 1 ? atoi(argv[1]) : 1;
  long values = enumerate(); /* loads what Windows loads once */
  LARGE_INTEGER frequency, began, ended;
  QueryPerformanceFrequency(&frequency);
  QueryPerformanceCounter(&began);
  for (int round = 0; round < rounds; round++) values = enumerate();
  QueryPerformanceCounter(&ended);
  printf("%.0f %ld\n", (double)(ended.QuadPart - began.QuadPart) / (double)frequency.QuadPart * 1e9 / rounds, values);
  return values < 0;
}
