#include "com.h"

#include <stdio.h>

/* ---- Begin and end ---- */

static void end_com(UINT_PTR value) {
  (void)value;
  win32.CoUninitialize();
}

/* A thread that somebody else put into an apartment of another kind stays in it.
 * https://learn.microsoft.com/windows/win32/api/combaseapi/nf-combaseapi-coinitializeex */
void com_begin(lua_State *L) {
  winapi_load(L, "ole32");
  winapi_load(L, "oleaut32");
  luax_handle *slot = luax_newhandle(L, end_com);
  HRESULT result = win32.CoInitializeEx(NULL, COINIT_MULTITHREADED);
  com_forget();
  if (result == RPC_E_CHANGED_MODE) return;
  com_check(L, "COM", result);
  slot->value = 1;
}

/* ---- Errors ---- */

/* https://learn.microsoft.com/windows/win32/api/oleauto/nf-oleauto-seterrorinfo */
void com_forget(void) { win32.SetErrorInfo(0, NULL); }

static void free_text(UINT_PTR value) { win32.SysFreeString((BSTR)value); }

static void release(UINT_PTR value) {
  IUnknown *object = (IUnknown *)value;
  object->lpVtbl->Release(object);
}

/* Pushes what the object that failed has said of it, or nil.
 * https://learn.microsoft.com/windows/win32/api/oleauto/nf-oleauto-geterrorinfo */
static const char *push_description(lua_State *L) {
  luax_handle *slot = com_slot(L), *text = luax_newhandle(L, free_text);
  IErrorInfo *info = NULL;
  if (win32.GetErrorInfo(0, &info) == S_OK) slot->value = (UINT_PTR)info;
  BSTR description = NULL;
  if (info && SUCCEEDED(info->lpVtbl->GetDescription(info, &description))) text->value = (UINT_PTR)description;
  if (description == NULL || *description == 0) lua_pushnil(L);
  else luax_pushwide(L, description, wcscspn(description, L"\r\n"));
  return lua_tostring(L, -1);
}

static DWORD code_of(HRESULT result) {
  return HRESULT_FACILITY(result) == FACILITY_WIN32 ? (DWORD)HRESULT_CODE(result) : (DWORD)result;
}

void com_fail(lua_State *L, const char *target, HRESULT result) {
  luax_failhint(L, target, code_of(result), push_description(L));
}

void com_check(lua_State *L, const char *target, HRESULT result) {
  if (FAILED(result)) com_fail(L, target, result);
}

/* ---- Objects ---- */

luax_handle *com_slot(lua_State *L) { return luax_newhandle(L, release); }

void *com_keep(lua_State *L, luax_handle *slot, const char *target, HRESULT result, void *object) {
  if (SUCCEEDED(result) && object == NULL) result = E_POINTER;
  com_check(L, target, result);
  slot->value = (UINT_PTR)object;
  return object;
}

int com_is_registered(lua_State *L, const CLSID *id) {
  wchar_t path[64];
  HKEY key;
  const BYTE *d = id->Data4;
  _snwprintf(path, 64, L"CLSID\\{%08lX-%04X-%04X-%02X%02X-%02X%02X%02X%02X%02X%02X}", (unsigned long)id->Data1,
             id->Data2, id->Data3, d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7]);
  LONG code = win32.RegOpenKeyExW(HKEY_CLASSES_ROOT, path, 0, KEY_READ, &key);
  if (code == ERROR_FILE_NOT_FOUND) return 0;
  if (code != ERROR_SUCCESS) luax_fail(L, "COM", (DWORD)code);
  win32.RegCloseKey(key);
  return 1;
}

/* https://learn.microsoft.com/windows/win32/api/combaseapi/nf-combaseapi-cocreateinstance */
void *com_create(lua_State *L, const char *target, const CLSID *class_id, DWORD context, const IID *interface_id) {
  luax_handle *slot = com_slot(L);
  void *object = NULL;
  HRESULT result = win32.CoCreateInstance(class_id, NULL, context, interface_id, &object);
  return com_keep(L, slot, target, result, object);
}

/* ---- Values ---- */

static BSTR copy_text(lua_State *L, const wchar_t *text, luax_closer close) {
  luax_handle *slot = luax_newhandle(L, close);
  BSTR copy = win32.SysAllocString(text);
  if (copy == NULL) luax_fail(L, "COM", ERROR_OUTOFMEMORY);
  slot->value = (UINT_PTR)copy;
  return copy;
}

BSTR com_text(lua_State *L, const wchar_t *text) { return copy_text(L, text, free_text); }

static void free_secret(UINT_PTR value) {
  SecureZeroMemory((BSTR)value, wcslen((BSTR)value) * sizeof(wchar_t));
  free_text(value);
}

BSTR com_secret(lua_State *L, const wchar_t *text) { return copy_text(L, text, free_secret); }

static void clear(UINT_PTR value) { win32.VariantClear((VARIANT *)value); }

VARIANT *com_variant(lua_State *L) {
  VARIANT *value = luax_buffer(L, sizeof *value); /* zero is VT_EMPTY */
  luax_newhandle(L, clear)->value = (UINT_PTR)value;
  return value;
}

VARIANT com_from_text(BSTR text) {
  VARIANT value = {0};
  V_VT(&value) = VT_BSTR;
  V_BSTR(&value) = text;
  return value;
}

VARIANT com_from_integer(LONG number) {
  VARIANT value = {0};
  V_VT(&value) = VT_I4;
  V_I4(&value) = number;
  return value;
}

void com_push(lua_State *L, const VARIANT *value) {
  switch (V_VT(value)) {
    case VT_BSTR:
      luax_pushwide(L, V_BSTR(value), win32.SysStringLen(V_BSTR(value)));
      break;
    case VT_BOOL:
      lua_pushboolean(L, V_BOOL(value) != VARIANT_FALSE);
      break;
    case VT_UI1:
      lua_pushinteger(L, V_UI1(value));
      break;
    case VT_I2:
      lua_pushinteger(L, V_I2(value));
      break;
    case VT_I4:
    case VT_INT:
      lua_pushinteger(L, V_I4(value));
      break;
    case VT_UI4:
    case VT_UINT:
      lua_pushinteger(L, V_UI4(value));
      break;
    case VT_I8:
      lua_pushinteger(L, V_I8(value));
      break;
    default:
      lua_pushnil(L);
      break;
  }
}
