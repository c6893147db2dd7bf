/** How a bug is planted in somebody else's class, and taken out again. Knows no bug. */

export interface Mutant {
  name: string;
  /** What the code does wrong then. */
  bug: string;
  /** Plants it and returns what takes it out again. State that it needs begins anew each time. */
  plant(): () => void;
}

/** Replaces a method. */
export function replace<T extends object, K extends keyof T>(
  target: T,
  key: K,
  make: (original: T[K]) => T[K],
): () => void {
  const descriptor = Object.getOwnPropertyDescriptor(target, key);
  if (descriptor === undefined) throw new Error(`no ${String(key)} to replace`);
  Object.defineProperty(target, key, { ...descriptor, value: make(descriptor.value as T[K]) });
  return () => Object.defineProperty(target, key, descriptor);
}

/** Replaces a getter. */
export function replaceGetter<T extends object, K extends keyof T>(
  target: T,
  key: K,
  get: (this: T) => T[K],
): () => void {
  const descriptor = Object.getOwnPropertyDescriptor(target, key);
  if (descriptor === undefined) throw new Error(`no ${String(key)} to replace`);
  Object.defineProperty(target, key, { ...descriptor, get });
  return () => Object.defineProperty(target, key, descriptor);
}

export function all(...undos: Array<() => void>): () => void {
  return () => {
    for (const undo of undos.reverse()) undo();
  };
}
