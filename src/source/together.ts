/**
 * Runs `action` for each item, begun in order, up to `limit` at once. After a failure nothing more is begun and `stop` is
 * aborted; when all that was under way has ended, the first failure is thrown.
 */
export async function together<T>(
  items: readonly T[],
  limit: number,
  action: (item: T, stop: AbortSignal) => Promise<void>,
): Promise<void> {
  const stop = new AbortController();
  const failures: unknown[] = [];
  const queue = items.values();
  const work = async (): Promise<void> => {
    for (const item of queue) {
      try {
        await action(item, stop.signal);
      } catch (error) {
        failures.push(error);
        stop.abort();
      }
      if (stop.signal.aborted) return;
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, work));
  if (failures.length > 0) throw failures[0];
}

/**
 * What `open` gives, until `stop` is aborted: then the reader gets the reason at once, however long the far side is
 * silent. What was being waited for is left to whoever closes the source.
 */
export async function* untilStopped<T>(open: () => Promise<AsyncIterable<T>>, stop: AbortSignal): AsyncGenerator<T> {
  // One waiting place, not a race with a lasting promise: that would keep every piece alive to the end.
  let fail: (reason: unknown) => void = () => undefined;
  const onStop = (): void => fail(stop.reason);
  stop.addEventListener("abort", onStop);
  const waited = <R>(promise: Promise<R>): Promise<R> =>
    new Promise((resolve, reject) => {
      fail = reject;
      promise.then(resolve, reject);
    });
  let pieces: AsyncIterator<T> | undefined;
  try {
    stop.throwIfAborted();
    pieces = (await waited(open()))[Symbol.asyncIterator]();
    for (;;) {
      const { done, value } = await waited(pieces.next());
      if (done) return;
      yield value;
      stop.throwIfAborted();
    }
  } finally {
    stop.removeEventListener("abort", onStop);
    // Not awaited: while a read is under way it would wait for the far side.
    pieces?.return?.().catch(() => undefined);
  }
}
