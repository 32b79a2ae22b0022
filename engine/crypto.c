/* The parts of libsodium that p80 needs, unmodified, as one unit: the compiler then leaves out what is not called,
 * which is most of them. Two functions of libsodium are here again, for they alone would take 75 KB of a 32-bit
 * program. */
/* clang-format off: the order matters */
#include <crypto_core/ed25519/ref10/ed25519_ref10.c>
#include <crypto_sign/ed25519/ref10/open.c>
#include <crypto_sign/ed25519/ref10/sign.c>
#include <crypto_core/ed25519/core_ed25519.c>
#include <crypto_scalarmult/ed25519/ref10/scalarmult_ed25519_ref10.c>
#include <crypto_generichash/blake2b/ref/blake2b-ref.c>
#include <crypto_generichash/blake2b/ref/generichash_blake2b.c>
#include <crypto_hash/sha512/cp/hash_sha512_cp.c>
#undef Ch
#undef Maj
#undef SHR
#undef ROTR
#undef S0
#undef S1
#undef s0
#undef s1
#undef RND
#undef RNDr
#undef MSCH
#define Krnd Krnd256
#define PAD PAD256
#include <crypto_auth/hmacsha256/auth_hmacsha256.c>
#include <crypto_hash/sha256/cp/hash_sha256_cp.c>
#include <crypto_pwhash/scryptsalsa208sha256/crypto_scrypt-common.c>
#include <crypto_pwhash/scryptsalsa208sha256/nosse/pwhash_scryptsalsa208sha256_nosse.c>
#include <crypto_pwhash/scryptsalsa208sha256/pbkdf2-sha256.c>
#include <crypto_pwhash/scryptsalsa208sha256/pwhash_scryptsalsa208sha256.c>
#include <crypto_pwhash/scryptsalsa208sha256/scrypt_platform.c>
#include <crypto_verify/sodium/verify.c>
#include <sodium/codecs.c>
#include <sodium/utils.c>
/* clang-format on */

#include "compiler.h"
#include "crypto.h"

/* What libsodium calls when it is called wrongly, and what its functions that are left out would call. */
void sodium_misuse(void) { abort(); }
void randombytes_buf(void *const bytes, const size_t size) {
  (void)bytes;
  (void)size;
  abort();
}

/* The compression function of RFC 7693, 3.2. libsodium's has all its 96 steps written out. */
int blake2b_compress_ref(blake2b_state *S, const uint8_t block[BLAKE2B_BLOCKBYTES]) {
  static const uint8_t order[10][16] = {
      {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
      {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
      {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
      {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
      {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};
  uint64_t v[16];
  for (int i = 0; i < 8; i++) v[i] = S->h[i], v[i + 8] = blake2b_IV[i];
  for (int i = 0; i < 2; i++) v[i + 12] ^= S->t[i], v[i + 14] ^= S->f[i];
  for (int i = 0; i < 96; i++) { /* 12 rounds of 4 columns and 4 diagonals */
    const uint8_t *words = &order[i / 8 % 10][i % 8 * 2];
    int shift = i % 8 / 4;
    uint64_t *a = v + i % 4, *b = v + 4 + (i + shift) % 4, *c = v + 8 + (i + 2 * shift) % 4,
             *d = v + 12 + (i + 3 * shift) % 4;
    *a += *b + LOAD64_LE(block + 8 * words[0]);
    *d = ROTR64(*d ^ *a, 32);
    *c += *d;
    *b = ROTR64(*b ^ *c, 24);
    *a += *b + LOAD64_LE(block + 8 * words[1]);
    *d = ROTR64(*d ^ *a, 16);
    *c += *d;
    *b = ROTR64(*b ^ *c, 63);
  }
  for (int i = 0; i < 8; i++) S->h[i] ^= v[i] ^ v[i + 8];
  return 0;
}

static const unsigned char base_point[32] = {0x58, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
                                             0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
                                             0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66};

P80_KEPT int crypto_is_signed(const unsigned char *signature, const void *message, size_t size,
                              const unsigned char *public) {
  return crypto_sign_ed25519_verify_detached(signature, message, size, public) == 0;
}

P80_KEPT void crypto_wipe(void *secret, size_t size) { sodium_memzero(secret, size); }

P80_KEPT int crypto_make_key(unsigned char *secret, const unsigned char *seed) {
  unsigned char expanded[64];
  crypto_hash_sha512(expanded, seed, CRYPTO_SEED);
  int ok = crypto_scalarmult_ed25519(secret + CRYPTO_SEED, expanded, base_point) == 0;
  memmove(secret, seed, CRYPTO_SEED);
  crypto_wipe(expanded, sizeof expanded);
  return ok;
}

/* SHA-512(before || public || message) modulo the order of the group; `public` may be left out. */
static void hash_to_scalar(unsigned char *scalar, const unsigned char *before, const unsigned char *public,
                           const void *message, size_t size) {
  crypto_hash_sha512_state state;
  unsigned char hash[64];
  crypto_hash_sha512_init(&state);
  crypto_hash_sha512_update(&state, before, 32);
  if (public) crypto_hash_sha512_update(&state, public, CRYPTO_PUBLIC);
  crypto_hash_sha512_update(&state, message, size);
  crypto_hash_sha512_final(&state, hash);
  crypto_core_ed25519_scalar_reduce(scalar, hash);
  crypto_wipe(&state, sizeof state);
  crypto_wipe(hash, sizeof hash);
}

/* RFC 8032, 5.1.6. libsodium's takes a table of 30 KB, to be faster. */
P80_KEPT int crypto_sign_with(unsigned char *signature, const void *message, size_t size,
                              const unsigned char *secret) {
  unsigned char expanded[64], nonce[32], challenge[32];
  crypto_hash_sha512(expanded, secret, CRYPTO_SEED);
  expanded[0] &= 248;
  expanded[31] = (expanded[31] & 63) | 64;
  hash_to_scalar(nonce, expanded + 32, NULL, message, size);
  int ok = crypto_scalarmult_ed25519_noclamp(signature, nonce, base_point) == 0;
  hash_to_scalar(challenge, signature, secret + CRYPTO_SEED, message, size);
  crypto_core_ed25519_scalar_mul(challenge, challenge, expanded);
  crypto_core_ed25519_scalar_add(signature + 32, challenge, nonce);
  crypto_wipe(expanded, sizeof expanded);
  crypto_wipe(nonce, sizeof nonce);
  crypto_wipe(challenge, sizeof challenge);
  return ok;
}

P80_KEPT void crypto_hash(unsigned char *hash, size_t length, const void *message, size_t size) {
  crypto_generichash_blake2b(hash, length, message, size, NULL, 0);
}

P80_KEPT int crypto_stretch(unsigned char *out, size_t length, const char *password, size_t size,
                            const unsigned char *salt, uint64_t operations, uint64_t memory) {
  if (memory > (size_t)-1 / 2) return 0;
  return crypto_pwhash_scryptsalsa208sha256(out, length, password, size, salt, operations, (size_t)memory) == 0;
}

P80_KEPT long crypto_decode(unsigned char *bytes, size_t room, const char *text, size_t length) {
  size_t size;
  const char *end;
  if (sodium_base642bin(bytes, room, text, length, NULL, &size, &end, sodium_base64_VARIANT_ORIGINAL) != 0 ||
      end != text + length)
    return -1;
  return (long)size;
}

P80_KEPT void crypto_encode(char *text, size_t room, const unsigned char *bytes, size_t size) {
  sodium_bin2base64(text, room, bytes, size, sodium_base64_VARIANT_ORIGINAL);
}
