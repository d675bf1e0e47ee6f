/** Adds the file to an error of the system that does not know it; as node:fs names one. */
export function nameFile(error: Error, path: string | Buffer): Error {
  if (!("syscall" in error) || "path" in error) return error;
  error.message += ` '${path.toString()}'`;
  return Object.assign(error, { path: path.toString() });
}

/** Does something with the file at `path` that is open: what the system says of it names it. */
export function onFile<T>(path: string | Buffer, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw error instanceof Error ? nameFile(error, path) : error;
  }
}
