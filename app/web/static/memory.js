// What the browser keeps of this page, where it keeps anything: some refuse to, and then all works as on a first visit.

/** What is kept under a key; null where there is nothing. */
export function recalled(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

/** Keep a value. */
export function keep(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    // not kept
  }
}
