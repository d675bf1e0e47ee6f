import type { ProcessEnd, UnitFacts, UnitJob } from "../plan/unit-facts.ts";
import { unitsBehind } from "../plan/unit-facts.ts";
import { type JournalScope, readStart } from "./journal-lines.ts";
import { type Bus, managerPath } from "./systemd-bus.ts";
import { readUnitProperties, type UnitProperties } from "./unit-properties.ts";

/** A host has some hundred units at most that wait for one another. */
const unitLimit = 256;

/** The facts of a unit and of all that it waits for, or cannot be up without, by unit. */
export async function readUnitFacts(
  bus: Bus,
  unit: string,
  scope: JournalScope,
): Promise<ReadonlyMap<string, UnitFacts>> {
  const jobs = await readJobs(bus);
  const facts = new Map<string, UnitFacts>();
  const pending = [unit];
  for (let next = pending.shift(); next !== undefined && facts.size < unitLimit; next = pending.shift()) {
    if (facts.has(next)) continue;
    const read = await readFacts(bus, next, jobs, scope);
    facts.set(next, read);
    pending.push(...unitsBehind(read));
  }
  return facts;
}

async function readFacts(
  bus: Bus,
  unit: string,
  jobs: ReadonlyMap<string, UnitJob>,
  scope: JournalScope,
): Promise<UnitFacts> {
  const properties = await readUnitProperties(bus, unit);
  const { text, number, list } = properties;
  const job = jobs.get(unit);
  const memoryMax = number("MemoryMax");
  const begun = number("InactiveExitTimestamp");
  const down = text("ActiveState") !== "active";
  const ended = endOf(properties);
  const [, loadError = ""] = list<string>("LoadError");
  return {
    unit,
    loadState: text("LoadState"),
    activeState: text("ActiveState"),
    subState: text("SubState"),
    unitFileState: text("UnitFileState"),
    result: text("Result") || "success",
    loadError,
    needsReload: properties.is("NeedDaemonReload"),
    tried: begun > 0,
    restarts: number("NRestarts"),
    ...(Number.isSafeInteger(memoryMax) && memoryMax > 0 ? { memoryMax } : {}),
    ...(job === undefined ? {} : { job }),
    unmet: unmetOf(properties),
    requires: ["Requires", "Requisite", "BindsTo"].flatMap((name) => list<string>(name)),
    awaited: awaitedOf(properties),
    ...(ended === undefined ? {} : { ended }),
    ...(down && begun > 0
      ? await readStart(unit, begun / microseconds, scope)
      : { output: [], outOfMemory: false, limited: false }),
  };
}

const microseconds = 1000;

/** All jobs by their units. */
async function readJobs(bus: Bus): Promise<ReadonlyMap<string, UnitJob>> {
  type Row = readonly [id: number, unit: string, type: string, state: string];
  const [rows] = (await bus.call(managerPath, "ListJobs", "", [])) as [readonly Row[]];
  const jobs = new Map<string, UnitJob>();
  for (const [id, unit, type, state] of rows) {
    // It may be done by now.
    const [before] = (await bus.call(managerPath, "GetJobBefore", "u", [id]).catch(() => [[]])) as [readonly Row[]];
    jobs.set(unit, { type, running: state === "running", behind: before.map(([, other]) => other) });
  }
  return jobs;
}

type Condition = readonly [kind: string, trigger: boolean, negated: boolean, parameter: string, state: number];

function unmetOf({ list, is, number }: UnitProperties): readonly string[] {
  const failing = (what: "Condition" | "Assert"): readonly string[] =>
    is(`${what}Result`) || number(`${what}Timestamp`) === 0
      ? []
      : list<Condition>(`${what}s`)
          .filter(([, , , , state]) => state < 0)
          .map(([kind, trigger, negated, value]) => `${kind}=${trigger ? "|" : ""}${negated ? "!" : ""}${value}`);
  return [...failing("Condition"), ...failing("Assert")];
}

/** The last ten fields are those of the process it became. */
type Command = readonly [
  path: string,
  argv: readonly string[],
  ignored: boolean,
  started: bigint,
  startedMonotonic: bigint,
  ended: bigint,
  endedMonotonic: bigint,
  pid: number,
  code: number,
  status: number,
];

/** What keelson itself puts before a start that has to wait. */
function awaitedOf({ list }: UnitProperties): readonly (readonly string[])[] {
  return list<Command>("ExecStartPre").flatMap(([, argv]) => {
    const [program, verb, quiet, ...units] = argv.filter((word) => word !== "--user");
    return program === "systemctl" && verb === "is-active" && quiet === "--quiet" ? [units] : [];
  });
}

const exitedCode = 1;

function endOf({ list, number }: UnitProperties): ProcessEnd | undefined {
  const code = number("ExecMainCode");
  const status = number("ExecMainStatus");
  if (code > exitedCode || (code === exitedCode && status !== 0)) return endedAs(code, status, "its program");
  const failed = ["ExecStartPre", "ExecStart", "ExecStartPost"]
    .flatMap((name) => list<Command>(name))
    .find(([, , ignored, , , , , , its, how]) => !ignored && its !== 0 && !(its === exitedCode && how === 0));
  return failed === undefined ? undefined : endedAs(failed[8], failed[9], failed[0]);
}

/** The codes are those of waitid(2). */
function endedAs(code: number, status: number, program: string): ProcessEnd {
  return { kind: code === exitedCode ? "exited" : "killed", status, program };
}
