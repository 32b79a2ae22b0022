/* "Did you mean ...?" for misspelt words. */
#ifndef P80_NEAR_H
#define P80_NEAR_H

/* The word of the NULL-terminated `list` that is nearest to `word` (at most a third of its letters and one more
 * differ), or NULL. */
const char *nearest_word(const char *word, const char *const list[]);

#endif
