#include "sign.h"

#include <lauxlib.h>
#include <string.h>

#include "console.h"
#include "crypto.h"
#include "luax.h"
#include "winapi.h"

/* A secret key as in minisign's files (https://jedisct1.github.io/minisign/#secret-key-format): where its parts
 * begin. */
enum {
  ALGORITHM = 0,
  STRETCHING = 2,
  CHECKING = 4,
  SALT = 6,
  OPERATIONS = 38,
  MEMORY = 46,
  ID = 54, /* from here on encrypted, if there is a password */
  SECRET = 62,
  CHECK = 126,
  KEY_SIZE = 158,
  ENCRYPTED = KEY_SIZE - ID,
  ID_SIZE = 8,
  CHECK_SIZE = 32
};
enum { KEY_TEXT = (KEY_SIZE + 2) / 3 * 4, LONGEST_FILE = 4096, LONGEST_PASSWORD = 1024 };

/* What new keys take of time and memory: 256 MiB, which a 32-bit p80 has. minisign's own are four times that. */
static const uint64_t new_operations = 1 << 23, new_memory = 1 << 28;

typedef struct secret_key {
  unsigned char bytes[KEY_SIZE];
  int locked;
} secret_key;

static const char key_type[] = "p80.secret_key";

typedef struct secret_bytes {
  size_t size;
  char bytes[];
} secret_bytes;

static void wipe_bytes(UINT_PTR value) {
  secret_bytes *secret = (secret_bytes *)value;
  crypto_wipe(secret->bytes, secret->size);
}

/* `size` bytes that are wiped when the function ends (+2). */
static char *push_secret(lua_State *L, size_t size) {
  secret_bytes *secret = luax_buffer(L, sizeof *secret + size);
  secret->size = size;
  luax_newhandle(L, wipe_bytes)->value = (UINT_PTR)secret;
  return secret->bytes;
}

static uint64_t read_number(const unsigned char *bytes) {
  uint64_t number = 0;
  for (int i = 7; i >= 0; i--) number = number << 8 | bytes[i];
  return number;
}

static void write_number(unsigned char *bytes, uint64_t number) {
  for (int i = 0; i < 8; i++) bytes[i] = (unsigned char)(number >> 8 * i);
}

/* ---- Public matters ---- */

/* hash(bytes [, length]) -> the BLAKE2b hash of that many bytes (64) */
static int sign_hash(lua_State *L) {
  size_t size;
  unsigned char hash[64];
  luax_arguments(L, 1, 2);
  const char *bytes = luaL_checklstring(L, 1, &size);
  size_t length = lua_isnil(L, 2) ? sizeof hash : (size_t)luax_checkinteger(L, 2, "length", 1, sizeof hash);
  crypto_hash(hash, length, bytes, size);
  lua_pushlstring(L, (const char *)hash, length);
  return 1;
}

static const unsigned char *check_bytes(lua_State *L, int index, const char *name, size_t expected) {
  size_t size;
  const char *bytes = luaL_checklstring(L, index, &size);
  if (size != expected) luax_badvalue(L, index, name, lua_pushfstring(L, "%d bytes", (int)expected));
  return (const unsigned char *)bytes;
}

/* is_signed(message, signature, public key) -> boolean */
static int sign_is_signed(lua_State *L) {
  size_t size;
  luax_arguments(L, 3, 3);
  const char *message = luaL_checklstring(L, 1, &size);
  const unsigned char *signature = check_bytes(L, 2, "signature", CRYPTO_SIGNATURE);
  lua_pushboolean(L, crypto_is_signed(signature, message, size, check_bytes(L, 3, "key", CRYPTO_PUBLIC)));
  return 1;
}

/* decode(base64) -> bytes, or nil when it is none */
static int sign_decode(lua_State *L) {
  size_t length;
  luax_arguments(L, 1, 1);
  const char *text = luaL_checklstring(L, 1, &length);
  unsigned char *bytes = luax_buffer(L, length + 1);
  long size = crypto_decode(bytes, length, text, length);
  if (size < 0) return 0;
  lua_pushlstring(L, (const char *)bytes, (size_t)size);
  return 1;
}

/* encode(bytes) -> base64 */
static int sign_encode(lua_State *L) {
  size_t size;
  luax_arguments(L, 1, 1);
  const char *bytes = luaL_checklstring(L, 1, &size);
  size_t room = (size + 2) / 3 * 4 + 1;
  char *text = luax_buffer(L, room);
  crypto_encode(text, room, (const unsigned char *)bytes, size);
  lua_pushstring(L, text);
  return 1;
}

/* ---- Secret keys ---- */

static int wipe_key(lua_State *L) {
  crypto_wipe(lua_touserdata(L, 1), sizeof(secret_key));
  return 0;
}

static secret_key *push_key(lua_State *L) {
  static const luaL_Reg meta[] = {{"__gc", wipe_key}, {"__close", wipe_key}, {NULL, NULL}};
  secret_key *key = lua_newuserdatauv(L, sizeof *key, 0);
  memset(key, 0, sizeof *key);
  if (luaL_newmetatable(L, key_type)) luaL_setfuncs(L, meta, 0);
  lua_setmetatable(L, -2);
  return key;
}

/* The checksum behind a key. */
static void checksum(const secret_key *key, unsigned char *check) {
  unsigned char parts[2 + CHECK - ID];
  memcpy(parts, key->bytes + ALGORITHM, 2);
  memcpy(parts + 2, key->bytes + ID, CHECK - ID);
  crypto_hash(check, CHECK_SIZE, parts, sizeof parts);
  crypto_wipe(parts, sizeof parts);
}

/* minisign leaves out the checksum of a key without a password. */
static int is_intact(const secret_key *key) {
  static const unsigned char no_check[CHECK_SIZE];
  unsigned char check[CHECK_SIZE];
  checksum(key, check);
  int intact = memcmp(check, key->bytes + CHECK, CHECK_SIZE) == 0;
  if (memcmp(key->bytes + STRETCHING, "\0\0", 2) == 0 && memcmp(key->bytes + CHECK, no_check, CHECK_SIZE) == 0)
    intact = 1;
  crypto_wipe(check, sizeof check);
  return intact;
}

static secret_key *check_unlocked(lua_State *L, int index) {
  secret_key *key = luaL_checkudata(L, index, key_type);
  if (key->locked) luaL_error(L, "the key is locked");
  return key;
}

/* generate() -> a new key without a password
 * https://learn.microsoft.com/windows/win32/api/ntsecapi/nf-ntsecapi-rtlgenrandom */
static int sign_generate(lua_State *L) {
  luax_arguments(L, 0, 0);
  winapi_load(L, "advapi32");
  secret_key *key = push_key(L);
  unsigned char *seed = (unsigned char *)push_secret(L, CRYPTO_SEED);
  if (!win32.SystemFunction036(key->bytes + ID, ID_SIZE) || !win32.SystemFunction036(seed, CRYPTO_SEED) ||
      !crypto_make_key(key->bytes + SECRET, seed))
    luax_fail(L, "random numbers", ERROR_GEN_FAILURE);
  memcpy(key->bytes + ALGORITHM, "Ed", 2);
  memcpy(key->bytes + CHECKING, "B2", 2);
  checksum(key, key->bytes + CHECK);
  lua_pushvalue(L, 1);
  return 1;
}

/* The key on the second line of a file, which begins with a comment. */
static int parse_key(secret_key *key, const char *text, size_t size) {
  static const char comment[] = "untrusted comment:";
  const char *end = text + size, *line = memchr(text, '\n', size);
  if (size < sizeof comment - 1 || memcmp(text, comment, sizeof comment - 1) != 0 || line == NULL) return 0;
  size_t length = 0;
  for (line++; line + length < end && line[length] > ' ';) length++;
  if (crypto_decode(key->bytes, KEY_SIZE, line, length) != KEY_SIZE) return 0;
  if (memcmp(key->bytes + ALGORITHM, "Ed", 2) != 0 || memcmp(key->bytes + CHECKING, "B2", 2) != 0) return 0;
  key->locked = memcmp(key->bytes + STRETCHING, "Sc", 2) == 0;
  return key->locked || (memcmp(key->bytes + STRETCHING, "\0\0", 2) == 0 && is_intact(key));
}

/* open(path) -> key, whether it is locked */
static int sign_open(lua_State *L) {
  luax_arguments(L, 1, 1);
  const wchar_t *path = luax_checkwide(L, 1, "path", NULL);
  luax_handle *slot = luax_newhandle(L, luax_closekernel);
  char *text = push_secret(L, LONGEST_FILE);
  DWORD size;
  HANDLE file = CreateFileW(path, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);
  if (file == INVALID_HANDLE_VALUE) luax_fail(L, lua_tostring(L, 1), GetLastError());
  slot->value = (UINT_PTR)file;
  if (!ReadFile(file, text, LONGEST_FILE, &size, NULL)) luax_fail(L, lua_tostring(L, 1), GetLastError());
  secret_key *key = push_key(L);
  if (!parse_key(key, text, size))
    luax_failhint(L, lua_tostring(L, 1), ERROR_INVALID_DATA,
                  "this is no secret key of minisign; `p80 sign --generate` makes one");
  lua_pushboolean(L, key->locked);
  return 2;
}

/* Encrypts or decrypts a key with a password. */
static int cross_key(secret_key *key, const char *password, size_t size) {
  unsigned char stream[ENCRYPTED];
  int ok = crypto_stretch(stream, sizeof stream, password, size, key->bytes + SALT,
                          read_number(key->bytes + OPERATIONS), read_number(key->bytes + MEMORY));
  for (int i = 0; ok && i < ENCRYPTED; i++) key->bytes[ID + i] ^= stream[i];
  crypto_wipe(stream, sizeof stream);
  return ok;
}

P80_NORETURN static void fail_memory(lua_State *L, const secret_key *key) {
  lua_Integer mebibytes = (lua_Integer)(read_number(key->bytes + MEMORY) >> 20);
  luax_failhint(L, "password", ERROR_NOT_ENOUGH_MEMORY,
                lua_pushfstring(L, "this key's password takes %I MiB of memory%s", (LUAI_UACINT)mebibytes,
                                sizeof(void *) == 4 ? "; the 64-bit p80 has more" : ""));
}

/* Asks for a password on the console; returns its length. It stands in a buffer that is wiped (+2). */
static size_t ask_password(lua_State *L, const char *prompt, char **password) {
  *password = push_secret(L, LONGEST_PASSWORD);
  size_t size = console_ask_secret(prompt, *password, LONGEST_PASSWORD);
  if (size == CONSOLE_INTERRUPTED) luax_fail(L, NULL, ERROR_OPERATION_ABORTED);
  if (size == CONSOLE_ABSENT)
    luax_failhint(L, "password", ERROR_INVALID_HANDLE,
                  "it is typed at a console; a key that a program uses has none (minisign -G -W, p80 sign --generate "
                  "--no-password)");
  return size;
}

/* unlock(key, prompt): asks for the password of a locked key. */
static int sign_unlock(lua_State *L) {
  luax_arguments(L, 2, 2);
  secret_key *key = luaL_checkudata(L, 1, key_type);
  char *password;
  if (!key->locked) return 0;
  size_t size = ask_password(L, luax_checktext(L, 2, "prompt"), &password);
  if (!cross_key(key, password, size)) fail_memory(L, key);
  if (!is_intact(key)) {
    cross_key(key, password, size);
    luax_failhint(L, "password", ERROR_INVALID_PASSWORD, "the password is wrong");
  }
  key->locked = 0;
  return 0;
}

/* public(key) -> its id and public key */
static int sign_public(lua_State *L) {
  luax_arguments(L, 1, 1);
  const secret_key *key = check_unlocked(L, 1);
  lua_pushlstring(L, (const char *)key->bytes + ID, ID_SIZE);
  lua_pushlstring(L, (const char *)key->bytes + SECRET + CRYPTO_SEED, CRYPTO_PUBLIC);
  return 2;
}

/* sign(key, message) -> signature */
static int sign_sign(lua_State *L) {
  size_t size;
  unsigned char signature[CRYPTO_SIGNATURE];
  luax_arguments(L, 2, 2);
  const secret_key *key = check_unlocked(L, 1);
  const char *message = luaL_checklstring(L, 2, &size);
  if (!crypto_sign_with(signature, message, size, key->bytes + SECRET)) luax_fail(L, "key", ERROR_INVALID_DATA);
  lua_pushlstring(L, (const char *)signature, sizeof signature);
  return 1;
}

/* Encrypts a key with a password that is typed twice. */
static void lock_key(lua_State *L, secret_key *key) {
  char *first, *second;
  size_t size = ask_password(L, "Password of the new key: ", &first);
  if (size == 0) luax_failhint(L, "password", ERROR_INVALID_PASSWORD, "--no-password makes a key without one");
  if (ask_password(L, "The same again: ", &second) != size || memcmp(first, second, size) != 0)
    luax_failhint(L, "password", ERROR_INVALID_PASSWORD, "the two passwords differ");
  memcpy(key->bytes + STRETCHING, "Sc", 2);
  if (!win32.SystemFunction036(key->bytes + SALT, CRYPTO_SALT)) luax_fail(L, "random numbers", ERROR_GEN_FAILURE);
  write_number(key->bytes + OPERATIONS, new_operations);
  write_number(key->bytes + MEMORY, new_memory);
  if (!cross_key(key, first, size)) fail_memory(L, key);
}

/* Makes a file that only the user, SYSTEM and the administrators may read. */
static HANDLE create_private(lua_State *L, const wchar_t *path, const wchar_t *sddl) {
  luax_handle *memory = luax_newhandle(L, luax_freelocal);
  PSECURITY_DESCRIPTOR descriptor = NULL;
  if (!win32.ConvertStringSecurityDescriptorToSecurityDescriptorW(sddl, SDDL_REVISION_1, &descriptor, NULL))
    luax_failwide(L, path, GetLastError());
  memory->value = (UINT_PTR)descriptor;
  SECURITY_ATTRIBUTES attributes = {sizeof attributes, descriptor, FALSE};
  HANDLE file = CreateFileW(path, GENERIC_WRITE, 0, &attributes, CREATE_NEW, FILE_ATTRIBUTE_NORMAL, NULL);
  if (file == INVALID_HANDLE_VALUE) luax_failwide(L, path, GetLastError());
  return file;
}

/* save(key, path, sddl, comment, with password): writes a new file. The key is locked then, if it has a password. */
static int sign_save(lua_State *L) {
  luax_arguments(L, 5, 5);
  winapi_load(L, "advapi32");
  secret_key *key = check_unlocked(L, 1);
  const wchar_t *path = luax_checkwide(L, 2, "path", NULL), *sddl = luax_checkwide(L, 3, "sddl", NULL);
  const char *comment = luax_checktext(L, 4, "comment");
  if (lua_toboolean(L, 5)) {
    lock_key(L, key);
    key->locked = 1;
  }
  size_t before = strlen(comment), size = before + 1 + KEY_TEXT + 1;
  char *text = push_secret(L, size);
  memcpy(text, comment, before);
  text[before] = '\n';
  crypto_encode(text + before + 1, KEY_TEXT + 1, key->bytes, KEY_SIZE);
  text[size - 1] = '\n';
  luax_handle *slot = luax_newhandle(L, luax_closekernel);
  HANDLE file = create_private(L, path, sddl);
  slot->value = (UINT_PTR)file;
  DWORD written;
  if (WriteFile(file, text, (DWORD)size, &written, NULL) && FlushFileBuffers(file)) return 0;
  DWORD code = GetLastError();
  luax_closehandle(slot);
  DeleteFileW(path);
  luax_failwide(L, path, code);
}

void sign_push(lua_State *L) {
  static const luaL_Reg functions[] = {{"hash", sign_hash},
                                       {"is_signed", sign_is_signed},
                                       {"decode", sign_decode},
                                       {"encode", sign_encode},
                                       {"open", sign_open},
                                       {"generate", sign_generate},
                                       {"unlock", sign_unlock},
                                       {"public", sign_public},
                                       {"sign", sign_sign},
                                       {"save", sign_save},
                                       {NULL, NULL}};
  lua_newtable(L);
  luax_setfunctions(L, "sign", functions);
}
