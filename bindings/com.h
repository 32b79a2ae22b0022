/* COM for the subjects that need it: interface pointers, texts and variants in to-be-closed slots, so that no Lua
 * error leaks one, and HRESULTs as error objects. */
#ifndef P80_COM_H
#define P80_COM_H

#include "luax.h"
#include "winapi.h"

/* Begins the use of COM in the running C function (+1, the slot that ends it; all other slots must be above it). */
void com_begin(lua_State *L);

/* Whether a class is registered for programs like this one; needs advapi32 alone. */
int com_is_registered(lua_State *L, const CLSID *class_id);

/* Forgets what a call that failed has said, so that it is not taken for what the next one says; for failures that are
 * passed over. */
void com_forget(void);
/* Raises for an HRESULT. One that wraps a Win32 code is that code; what the object says of it is the hint. */
P80_NORETURN void com_fail(lua_State *L, const char *target, HRESULT result);
/* The same when it is a failure. */
void com_check(lua_State *L, const char *target, HRESULT result);

/* A slot that releases the interface pointer which com_keep stores in it (+1). */
luax_handle *com_slot(lua_State *L);
/* Stores what a call that returned `result` handed out, and returns it; raises when it failed or handed out nothing.
 */
void *com_keep(lua_State *L, luax_handle *slot, const char *target, HRESULT result, void *object);
/* An object of a class (+1, its slot). */
void *com_create(lua_State *L, const char *target, const CLSID *class_id, DWORD context, const IID *interface_id);

/* A BSTR (+1, its slot). */
BSTR com_text(lua_State *L, const wchar_t *text);
/* The same of a password: it is wiped before it is freed. */
BSTR com_secret(lua_State *L, const wchar_t *text);
/* An empty VARIANT to be filled (+2, itself and its slot). */
VARIANT *com_variant(lua_State *L);
/* A VARIANT of a text or number that lives elsewhere, to be passed by value. */
VARIANT com_from_text(BSTR text);
VARIANT com_from_integer(LONG value);
/* Pushes a VARIANT: text, boolean, integer, or nil. */
void com_push(lua_State *L, const VARIANT *value);

#endif
