import { KeelsonError, statuses } from "../errors.ts";
import type { World } from "../world.ts";

/** How it went with one container. */
export interface Answered {
  readonly status: number;
  readonly document: object;
  readonly lines: readonly string[];
}

/**
 * Does something with each container of these names and answers for all. One that fails stops no other; the exit status then is
 * 1.
 */
export async function forEach(
  world: World,
  names: readonly string[],
  act: (name: string) => Promise<Answered>,
): Promise<number> {
  const answers: Answered[] = [];
  for (const name of names) {
    try {
      answers.push(await act(name));
    } catch (error) {
      world.signal.throwIfAborted();
      if (!(error instanceof KeelsonError)) throw error;
      const { code, message, hint } = error;
      world.output.warn(`${name}: ${message} (${code})`);
      answers.push({ status: 1, document: { name, error: { code, message, hint } }, lines: [`${name}: failed`] });
    }
  }
  world.output.answer(
    answers.map(({ document }) => document),
    answers.flatMap(({ lines }) => lines),
  );
  const ended = new Set(answers.map(({ status }) => status));
  return [1, statuses.changes].find((status) => ended.has(status)) ?? statuses.done;
}
