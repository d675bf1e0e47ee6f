import { KeelsonError } from "../../src/errors.ts";
import { openSystemd, type Systemd } from "../../src/host/systemd.ts";
import { hostPlaces } from "../../src/plan/places.ts";

/**
 * Runs inside a machine: makes the calls given on standard input as JSON, `[method, argument...]` each, one after the
 * other (those of an inner list at once), and prints what each gave, as JSON.
 */
type Call = readonly [keyof Omit<Systemd, "running" | "tmpfiles"> | "tmpfiles", ...unknown[]];

const systemd = openSystemd("/", hostPlaces);
const answers: unknown[] = [];
let input = "";
for await (const text of process.stdin.setEncoding("utf8")) input += text;
for (const entry of JSON.parse(input) as readonly (Call | readonly Call[])[]) {
  const calls = (Array.isArray(entry[0]) ? entry : [entry]) as readonly Call[];
  answers.push(...(await Promise.all(calls.map(answer))));
}
await systemd.close();
process.stdout.write(JSON.stringify({ running: systemd.running, answers }));

async function answer([method, ...values]: Call): Promise<unknown> {
  const call = systemd[method] as (...values: readonly unknown[]) => Promise<unknown>;
  try {
    const value = await call(...values);
    return value instanceof Map ? Object.fromEntries(value) : (value ?? "ok");
  } catch (error) {
    if (!(error instanceof KeelsonError)) throw error;
    return { code: error.code, message: error.message, hint: error.hint };
  }
}
