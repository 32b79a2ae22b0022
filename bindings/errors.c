/* Error objects: {op, target, code, name, message, hint}, and the names of the Win32 codes that p80 meets
 * (https://learn.microsoft.com/windows/win32/debug/system-error-codes). */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <winsock2.h>

#include "luax.h"
#include "wtf8.h"

typedef struct known_code {
  DWORD code;
  const char *name;
  const char *message; /* of p80's own codes, and where Windows has none or one that misleads */
  const char *hint;
} known_code;

#define W(name) \
  { name, #name, NULL, NULL }
#define H(name, hint) \
  { name, #name, NULL, hint }
#define C(name) \
  { (DWORD) name, #name, NULL, NULL }
#define P(name, message, hint) \
  { name, #name, message, hint }

static const known_code codes[] = {
    W(ERROR_INVALID_FUNCTION),
    W(ERROR_FILE_NOT_FOUND),
    W(ERROR_PATH_NOT_FOUND),
    H(ERROR_ACCESS_DENIED, "run p80 elevated (as administrator)"),
    W(ERROR_INVALID_HANDLE),
    W(ERROR_NOT_ENOUGH_MEMORY),
    W(ERROR_INVALID_DATA),
    W(ERROR_OUTOFMEMORY),
    W(ERROR_NO_MORE_FILES),
    W(ERROR_WRITE_PROTECT),
    W(ERROR_NOT_READY),
    W(ERROR_GEN_FAILURE),
    H(ERROR_SHARING_VIOLATION, "another process has it open"),
    W(ERROR_LOCK_VIOLATION),
    H(ERROR_HANDLE_DISK_FULL, "free some disk space"),
    W(ERROR_NOT_SUPPORTED),
    W(ERROR_BAD_NETPATH),
    W(ERROR_FILE_EXISTS),
    W(ERROR_INVALID_PARAMETER),
    W(ERROR_BROKEN_PIPE),
    H(ERROR_DISK_FULL, "free some disk space"),
    W(ERROR_CALL_NOT_IMPLEMENTED),
    W(ERROR_INSUFFICIENT_BUFFER),
    W(ERROR_INVALID_NAME),
    W(ERROR_MOD_NOT_FOUND),
    W(ERROR_PROC_NOT_FOUND),
    W(ERROR_DIR_NOT_EMPTY),
    W(ERROR_BAD_PATHNAME),
    W(ERROR_BUSY),
    P(ERROR_BAD_FILE_TYPE, "This is no file on a disk.", NULL),
    W(ERROR_FILE_TOO_LARGE),
    W(ERROR_ALREADY_EXISTS),
    W(ERROR_FILENAME_EXCED_RANGE),
    W(ERROR_MORE_DATA),
    H(WAIT_TIMEOUT, "give it more time with --timeout or the timeout option"),
    W(ERROR_NO_MORE_ITEMS),
    W(ERROR_PARTIAL_COPY),
    W(ERROR_BAD_EXE_FORMAT),
    W(ERROR_DIRECTORY),
    W(ERROR_INVALID_ADDRESS),
    H(ERROR_OPERATION_ABORTED, "interrupted with Ctrl-C; what was done until then stays"),
    W(ERROR_IO_PENDING),
    W(ERROR_NOACCESS),
    W(ERROR_BADKEY),
    W(ERROR_BADDB),
    W(ERROR_CANTOPEN),
    W(ERROR_CANTREAD),
    W(ERROR_CANTWRITE),
    H(ERROR_KEY_DELETED, "open the key again; somebody deleted it"),
    W(ERROR_KEY_HAS_CHILDREN),
    W(ERROR_CHILD_MUST_BE_VOLATILE),
    H(ERROR_DEPENDENT_SERVICES_RUNNING, "pass dependents=true to stop them too"),
    H(ERROR_INVALID_SERVICE_CONTROL, "the service does not accept this control"),
    H(ERROR_SERVICE_REQUEST_TIMEOUT, "look at the service's own log"),
    W(ERROR_SERVICE_NO_THREAD),
    H(ERROR_SERVICE_DATABASE_LOCKED, "another program is changing services; try again"),
    W(ERROR_SERVICE_ALREADY_RUNNING),
    H(ERROR_INVALID_SERVICE_ACCOUNT, "check the account's name and password"),
    H(ERROR_SERVICE_DISABLED, "enable it first: win.scm.config(name, {start=\"demand\"})"),
    W(ERROR_CIRCULAR_DEPENDENCY),
    H(ERROR_SERVICE_DOES_NOT_EXIST, "p80 -e \"for _, s in ipairs(win.scm.list()) do print(s.name) end\" lists them"),
    H(ERROR_SERVICE_CANNOT_ACCEPT_CTRL, "the service is starting, stopping or stopped; try again"),
    W(ERROR_SERVICE_NOT_ACTIVE),
    W(ERROR_FAILED_SERVICE_CONTROLLER_CONNECT),
    W(ERROR_EXCEPTION_IN_SERVICE),
    W(ERROR_DATABASE_DOES_NOT_EXIST),
    H(ERROR_SERVICE_SPECIFIC_ERROR, "look at the service's own log"),
    H(ERROR_PROCESS_ABORTED, "the service's process ended by itself"),
    H(ERROR_SERVICE_DEPENDENCY_FAIL, "start or enable the services that it depends on first"),
    H(ERROR_SERVICE_LOGON_FAILED,
      "the password is wrong, or the account lacks the right to log on as a service (SeServiceLogonRight), which "
      "services.msc grants and p80 does not"),
    W(ERROR_SERVICE_START_HANG),
    H(ERROR_SERVICE_MARKED_FOR_DELETE, "close every program that has the service open (services.msc, Task Manager)"),
    W(ERROR_SERVICE_EXISTS),
    W(ERROR_SERVICE_DEPENDENCY_DELETED),
    W(ERROR_SERVICE_NEVER_STARTED),
    H(ERROR_DUPLICATE_SERVICE_NAME, "another service has this display name"),
    W(ERROR_NO_UNICODE_TRANSLATION),
    W(ERROR_SHUTDOWN_IN_PROGRESS),
    W(ERROR_CANCELLED),
    W(ERROR_NOT_FOUND),
    W(ERROR_NO_TOKEN),
    H(ERROR_PRIVILEGE_NOT_HELD, "run p80 elevated (as administrator)"),
    W(ERROR_NO_SUCH_LOGON_SESSION),
    W(ERROR_NONE_MAPPED),
    W(ERROR_INVALID_OWNER),
    W(ERROR_INVALID_ACL),
    W(ERROR_INVALID_SID),
    W(ERROR_INVALID_SECURITY_DESCR),
    W(ERROR_LOGON_FAILURE),
    W(ERROR_TIMEOUT),
    W(ERROR_EVENTLOG_FILE_CORRUPT),
    {15007, "ERROR_EVT_CHANNEL_NOT_FOUND", NULL, "win.event.logs() lists the logs"},
    W(ERROR_NO_SYSTEM_RESOURCES),
    W(RPC_S_SERVER_UNAVAILABLE),
    W(RPC_S_INVALID_BINDING),
    W(WSAEACCES),
    W(WSAEADDRINUSE),
    W(WSAEADDRNOTAVAIL),
    W(WSAEAFNOSUPPORT),
    W(WSAEINVAL),
    W(WSAEPROTONOSUPPORT),
    C(E_NOTIMPL),
    C(E_NOINTERFACE),
    C(E_POINTER),
    C(E_FAIL),
    C(E_UNEXPECTED),
    C(CO_E_SERVER_EXEC_FAILURE),
    C(CO_E_CLASSSTRING),
    C(REGDB_E_CLASSNOTREG),
    C(CLASS_E_CLASSNOTAVAILABLE),
    P(P80_NOT_TAKEN, "Windows reported success, but reading it back shows that nothing changed.",
      "something else may hold or reset it"),
    P(P80_REFUSED, "This script has not been granted this change.",
      "name the grant in the playbook's manifest or pass it with --allow"),
    P(P80_OTHER_RUN, "Another p80 is changing this machine.", "wait for it, or give it more time with --timeout"),
    P(P80_CONFLICT, "It has been changed by somebody else since.",
      "look at it, then use --force to set it back anyway"),
    P(P80_NO_UNDO, "This kind of change cannot be taken back.", NULL),
    P(P80_BAD_JOURNAL, "The journal cannot be read.", NULL),
    P(P80_BAD_MANIFEST, "The playbook's manifest is wrong.", NULL),
    P(P80_BAD_ARGUMENTS, "The playbook's arguments are wrong.", NULL),
    P(P80_BAD_PACKAGE, "This cannot be installed.", NULL),
    P(P80_TOO_OLD, "The playbook needs something newer.", NULL),
    P(P80_BAD_SIGNATURE, "This is not signed as it must be.", NULL),
    P(P80_UNPROTECTED, "Others could change this, so an elevated p80 does not run it.", NULL),
    P(P80_BAD_POLICY, "The policy of this machine is wrong.", NULL),
};

static const known_code *find_code(DWORD code) {
  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
    if (codes[i].code == code) return &codes[i];
  return NULL;
}

const char *luax_codename(DWORD code) {
  const known_code *known = find_code(code);
  return known ? known->name : NULL;
}

/* Pushes Windows' own text for `code`, without its line end. */
static void push_system_message(lua_State *L, DWORD code) {
  wchar_t text[512];
  DWORD n = FormatMessageW(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS | FORMAT_MESSAGE_MAX_WIDTH_MASK,
                           NULL, code, 0, text, sizeof text / sizeof *text, NULL);
  while (n > 0 && (text[n - 1] == L' ' || text[n - 1] == L'\r' || text[n - 1] == L'\n')) n--;
  if (n == 0) lua_pushliteral(L, "Windows has no text for this error.");
  else luax_pushwide(L, text, n);
}

/* A field of the error object at index 1 as text, "" when it is absent; pushes it. */
static const char *text_field(lua_State *L, const char *key) {
  lua_pushstring(L, key);
  lua_rawget(L, 1);
  return lua_type(L, -1) == LUA_TSTRING || lua_type(L, -1) == LUA_TNUMBER ? lua_tostring(L, -1) : "";
}

/* op 'target': message (code NAME); hint */
static int error_tostring(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  const char *op = text_field(L, "op"), *target = text_field(L, "target"), *message = text_field(L, "message");
  const char *name = text_field(L, "name"), *code = text_field(L, "code"), *hint = text_field(L, "hint");
  if (strncmp(name, "P80_", 4) == 0) code = ""; /* the number means nothing to people */
  char hex[16];
  unsigned long number = strtoul(code, NULL, 10);
  if (number > LONG_MAX) { /* one of COM's */
    snprintf(hex, sizeof hex, "0x%08lX", number);
    code = hex;
  }
  lua_pushfstring(L, "%s%s%s%s%s%s%s", op,
                  *target && *op ? " '"
                  : *target      ? "'"
                                 : "",
                  target, *target ? "'" : "", *op || *target ? ": " : "", message, *code || *name ? " (" : "");
  if (*code || *name) {
    lua_pushfstring(L, "%s%s%s)", code, *code && *name ? " " : "", name);
    lua_concat(L, 2);
  }
  if (*hint) {
    lua_pushfstring(L, "; %s", hint);
    lua_concat(L, 2);
  }
  return 1;
}

void luax_pusherror(lua_State *L, const char *op, const char *target, DWORD code, const char *message,
                    const char *hint) {
  const known_code *known = find_code(code);
  if (code == ERROR_OPERATION_ABORTED && luax_interrupt && WaitForSingleObject(luax_interrupt, 0) == WAIT_OBJECT_0)
    luax_interrupt_told = 1;
  lua_createtable(L, 0, 6);
  luax_settext(L, "op", op);
  luax_settext(L, "target", target);
  luax_setinteger(L, "code", code);
  luax_settext(L, "name", known ? known->name : NULL);
  if (message == NULL && known) message = known->message;
  if (message) lua_pushstring(L, message);
  else push_system_message(L, code);
  lua_setfield(L, -2, "message");
  luax_settext(L, "hint", hint ? hint : known ? known->hint : NULL);
  if (luaL_newmetatable(L, LUAX_ERROR)) {
    lua_pushcfunction(L, error_tostring);
    lua_setfield(L, -2, "__tostring");
  }
  lua_setmetatable(L, -2);
}

int luax_iserror(lua_State *L, int index) {
  if (!lua_getmetatable(L, index)) return 0;
  luaL_getmetatable(L, LUAX_ERROR);
  int found = lua_istable(L, -1) && lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return found;
}

/* The name of the running function: "scm.stop". */
static const char *running_op(lua_State *L) { return lua_tostring(L, lua_upvalueindex(1)); }

void luax_failhint(lua_State *L, const char *target, DWORD code, const char *hint) {
  luax_pusherror(L, running_op(L), target, code, NULL, hint);
  lua_error(L);
  abort();
}

void luax_fail(lua_State *L, const char *target, DWORD code) { luax_failhint(L, target, code, NULL); }

void luax_failwide(lua_State *L, const wchar_t *target, DWORD code) {
  luax_pushwidez(L, target);
  luax_fail(L, lua_tostring(L, -1), code);
}

/* Pushes how a value reads in a message: strings quoted and cut, with what cannot be printed escaped. */
static const char *push_shown(lua_State *L, int index) {
  enum { LONGEST = 60 };
  if (lua_type(L, index) != LUA_TSTRING) {
    const char *text = luaL_tolstring(L, index, NULL);
    int known = lua_type(L, index) <= LUA_TNUMBER; /* nil, booleans and numbers show what they are */
    return known ? text : lua_pushfstring(L, "a %s", luaL_typename(L, index));
  }
  size_t n;
  const char *s = lua_tolstring(L, index, &n);
  size_t end = n < LONGEST ? n : LONGEST;
  while (end < n && end + 4 > LONGEST && ((unsigned char)s[end] & 0xC0) == 0x80) end--; /* not through a letter */
  int is_text = wtf8_wide_length(s, end) != WTF8_INVALID;
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  luaL_addchar(&b, '\'');
  for (size_t i = 0; i < end; i++) {
    unsigned char c = (unsigned char)s[i];
    if (c >= 0x20 && c != 0x7F && (c < 0x80 || is_text)) {
      luaL_addchar(&b, (char)c);
    } else {
      char escape[8];
      snprintf(escape, sizeof escape, "\\x%02X", c);
      luaL_addstring(&b, escape);
    }
  }
  luaL_addchar(&b, '\'');
  luaL_pushresult(&b);
  if (n > end) lua_pushfstring(L, "%s... (%d bytes)", lua_tostring(L, -1), (int)n);
  return lua_tostring(L, -1);
}

void luax_badvaluehint(lua_State *L, int index, const char *name, const char *expected, const char *hint) {
  const char *shown = push_shown(L, lua_absindex(L, index));
  const char *message = lua_pushfstring(L, "%s expected, got %s.", expected, shown);
  luax_pusherror(L, running_op(L), name, ERROR_INVALID_PARAMETER, message, hint);
  lua_error(L);
  abort();
}

void luax_badvalue(lua_State *L, int index, const char *name, const char *expected) {
  luax_badvaluehint(L, index, name, expected, NULL);
}
