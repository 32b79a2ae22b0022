/* The event log API of Windows Vista and later, which the headers hide from NT 5.2.
 * https://learn.microsoft.com/windows/win32/api/winevt/ */
#ifndef P80_EVT_H
#define P80_EVT_H

#include <windows.h>

#include "winapi.h"

/* https://learn.microsoft.com/windows/win32/api/winevt/ns-winevt-evt_variant */
typedef struct evt_variant {
  union {
    BOOL boolean;
    INT8 int8;
    UINT8 uint8;
    INT16 int16;
    UINT16 uint16;
    INT32 int32;
    UINT32 uint32;
    INT64 int64;
    UINT64 uint64;
    double real;
    ULONGLONG filetime;
    const wchar_t *text;
    PSID sid;
  } value;
  DWORD count;
  DWORD type;
} evt_variant;
_Static_assert(sizeof(evt_variant) == 16, "EVT_VARIANT");

/* EVT_VARIANT_TYPE */
enum {
  EVT_NULL = 0,
  EVT_TEXT = 1,
  EVT_INT8 = 3,
  EVT_UINT8 = 4,
  EVT_INT16 = 5,
  EVT_UINT16 = 6,
  EVT_INT32 = 7,
  EVT_UINT32 = 8,
  EVT_INT64 = 9,
  EVT_UINT64 = 10,
  EVT_REAL = 12,
  EVT_BOOLEAN = 13,
  EVT_FILETIME = 17,
  EVT_SID = 19,
  EVT_HEX32 = 20,
  EVT_HEX64 = 21,
  EVT_ARRAY = 128 /* a bit */
};

/* EVT_QUERY_FLAGS, EVT_RENDER_CONTEXT_FLAGS, EVT_RENDER_FLAGS, EVT_FORMAT_MESSAGE_FLAGS */
enum { EVT_QUERY_CHANNEL = 1, EVT_QUERY_REVERSE = 0x200 };
enum { EVT_CONTEXT_SYSTEM = 1, EVT_CONTEXT_USER = 2 };
enum { EVT_RENDER_VALUES = 0, EVT_MESSAGE_OF_EVENT = 1 };

/* EVT_SYSTEM_PROPERTY_ID */
enum {
  EVT_PROVIDER = 0,
  EVT_ID = 2,
  EVT_LEVEL = 4,
  EVT_TASK = 5,
  EVT_KEYWORDS = 7,
  EVT_TIME = 8,
  EVT_RECORD = 9,
  EVT_CHANNEL = 14,
  EVT_COMPUTER = 15,
  EVT_USER = 16,
  EVT_SYSTEM_VALUES = 18
};

#endif
