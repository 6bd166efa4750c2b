// What the browser keeps of a page, the reports of batches too. Some keep nothing; then all works as on a first visit.

/** What is kept under a key; null where there is nothing. */
export function recalled(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

/** Keep nothing under a key. */
export function erase(key) {
  try {
    localStorage.removeItem(key);
  } catch {
    // What keeps nothing has nothing to forget.
  }
}

/** Keep a value. False where it cannot be kept. */
export function keep(key, value) {
  try {
    localStorage.setItem(key, value);
    return true;
  } catch {
    return false;
  }
}
