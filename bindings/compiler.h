/* The one place where compilers differ. */
#ifndef P80_COMPILER_H
#define P80_COMPILER_H

#if defined(__GNUC__)
#define P80_PRINTF(format, first) __attribute__((format(printf, format, first)))
#define P80_NORETURN __attribute__((noreturn))
#define P80_TYPEOF(x) __typeof__(x)
#define P80_PREFETCH(address) __builtin_prefetch(address)
#define P80_KEPT __attribute__((externally_visible)) /* stays in a unit that is compiled as a whole program */
#else
#define P80_PRINTF(format, first)
#define P80_NORETURN __declspec(noreturn)
#define P80_TYPEOF(x) __typeof__(x) /* MSVC 17.9 and newer */
#define P80_PREFETCH(address) ((void)(address))
#define P80_KEPT
#endif

#endif
