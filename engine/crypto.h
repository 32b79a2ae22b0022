/* What signatures are made of, from libsodium: Ed25519 (RFC 8032), BLAKE2b (RFC 7693), scrypt (RFC 7914), base64. */
#ifndef P80_CRYPTO_H
#define P80_CRYPTO_H

#include <stddef.h>
#include <stdint.h>

enum { CRYPTO_SIGNATURE = 64, CRYPTO_PUBLIC = 32, CRYPTO_SEED = 32, CRYPTO_SECRET = 64, CRYPTO_SALT = 32 };

/* Whether `signature` is one of the message by the public key. */
int crypto_is_signed(const unsigned char *signature, const void *message, size_t size, const unsigned char *public);

/* Signs with a secret key, which is a seed and the public key behind it. Returns 0 when the key is none. */
int crypto_sign_with(unsigned char *signature, const void *message, size_t size, const unsigned char *secret);

/* Makes the secret key of a seed. Returns 0 when there is none. */
int crypto_make_key(unsigned char *secret, const unsigned char *seed);

/* The BLAKE2b hash of `length` bytes, 1 to 64. */
void crypto_hash(unsigned char *hash, size_t length, const void *message, size_t size);

/* Stretches a password to `length` bytes; returns 0 when the limits are out of range or memory is short. */
int crypto_stretch(unsigned char *out, size_t length, const char *password, size_t size, const unsigned char *salt,
                   uint64_t operations, uint64_t memory);

/* Base64, in a time that does not depend on the bytes. crypto_decode returns how many bytes there are, or -1 when the
 * text is no base64 or they are more than `room`; crypto_encode ends the text with 0. */
long crypto_decode(unsigned char *bytes, size_t room, const char *text, size_t length);
void crypto_encode(char *text, size_t room, const unsigned char *bytes, size_t size);

/* Overwrites a secret in a way that no compiler leaves out. */
void crypto_wipe(void *secret, size_t size);

#endif
