import { mkdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { errnoOf, KeelsonError } from "../errors.ts";
import { type HostChange, invertChange } from "../plan/change.ts";
import { besidePath, syncDirectory, writeDurably } from "../store/durable.ts";
import { removeFile } from "../store/remove.ts";
import { changeFile, type FilePlaces } from "./files.ts";
import type { Systemd } from "./systemd.ts";
import type { Meanwhile } from "./unit-state.ts";
import type { WatchRequest } from "./watch.ts";

/** What stands in the journal while a change of the host is under way. */
export interface JournalRecord {
  readonly schema: 1;
  readonly verb: string;
  readonly name: string;
  /** Where a crash leads: back to how it was, or on to how it was to be. */
  readonly direction: "back" | "forward";
  /** The kernel's id of the boot it was written in. */
  readonly boot?: string;
  /** When it was written, in microseconds of the monotonic clock of that boot. */
  readonly begun?: number;
  readonly changes: readonly HostChange[];
}

export interface TransactionHost extends FilePlaces {
  readonly systemd: Systemd;
  /** Throws when one of those that were started does not stay up. */
  watch(changes: readonly WatchRequest[]): Promise<void>;
  /** A path of the root. */
  readonly journal: string;
}

/**
 * Makes the changes in order, journalled before the first. When one fails, those made are taken back in reverse and its
 * error is thrown; when taking back fails too, the journal stays for recover() and E_RECOVER is thrown.
 */
export async function transact(given: JournalRecord, host: TransactionHost): Promise<void> {
  // Nothing has been done yet if nobody answers there.
  if (given.changes.some(asksManager)) await host.systemd.bus?.();
  const record = { ...given, begun: moment() };
  begin(record, host);
  const attempted: HostChange[] = [];
  let switched: number | undefined;
  try {
    for (const [index, change] of record.changes.entries()) {
      attempted.push(change);
      if (change.kind === "start") switched ??= moment();
      if (change.kind !== "watch") await applyChange(change, host, sinceBegun(record, switched));
      else if (record.changes[index + 1]?.kind !== "watch") await host.watch(watchesUpTo(record.changes, index));
    }
    removeJournal(host);
  } catch (error) {
    await takeBack(attempted, record, host, error);
    throw error;
  }
}

function asksManager({ kind }: HostChange): boolean {
  return ["reload", "enable", "disable", "start", "stop", "watch", "reset-failed"].includes(kind);
}

/** Those that follow one another: they watch at the same time. */
function watchesUpTo(changes: readonly HostChange[], last: number): readonly WatchRequest[] {
  const first = changes.slice(0, last).findLastIndex(({ kind }) => kind !== "watch") + 1;
  return changes.slice(first, last + 1).filter((change) => change.kind === "watch");
}

/** A record that may not last is none: nothing has been done yet. */
function begin(record: JournalRecord, host: TransactionHost): void {
  try {
    writeJournal(record, host);
  } catch (error) {
    if (readJournal(host) !== undefined) removeJournal(host);
    throw error;
  }
}

/** Finishes or takes back what a crash left half done; the record of it, or undefined when there was none. Throws E_RECOVER. */
export async function recover(host: TransactionHost): Promise<JournalRecord | undefined> {
  // A journal that was never renamed into its place was of a change that had not begun.
  removeFile(besidePath(host.root.path(host.journal)));
  const record = readJournal(host);
  if (record === undefined) return undefined;
  try {
    if (record.direction === "forward") for (const change of record.changes) await applyChange(change, host);
    else await undo(await thatStillMatters(record, host.systemd), record, host);
  } catch (error) {
    throw unrecovered(record, host, error);
  }
  removeJournal(host);
  return record;
}

/** The change that was under way when keelson last died; undefined when none was. Needs no lock. */
export function readJournal(host: Pick<TransactionHost, "root" | "journal">): JournalRecord | undefined {
  try {
    return JSON.parse(readFileSync(host.root.path(host.journal), "utf8")) as JournalRecord;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/**
 * After a reboot nothing is started or stopped that is not up: what is enabled comes with the boot, which may still be
 * under way and would wait for this.
 */
async function thatStillMatters(record: JournalRecord, systemd: Systemd): Promise<readonly HostChange[]> {
  if (record.boot === bootId()) return record.changes;
  const units = record.changes.flatMap((change) => (isJob(change) ? [change.unit] : []));
  const states = await systemd.states(units);
  return record.changes.filter((change) => !isJob(change) || states.get(change.unit)?.activeState === "active");
}

function isJob(change: HostChange): change is Extract<HostChange, { kind: "start" | "stop" }> {
  return change.kind === "start" || change.kind === "stop";
}

function bootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}

async function takeBack(
  attempted: readonly HostChange[],
  record: JournalRecord,
  host: TransactionHost,
  first: unknown,
): Promise<void> {
  try {
    // Its removal may be what failed, and then it is not known whether it lasts.
    if (readJournal(host) === undefined) writeJournal(record, host);
    await undo(attempted, record, host);
    removeJournal(host);
  } catch (error) {
    throw unrecovered(record, host, new AggregateError([first, error], "a change failed and could not be taken back"));
  }
}

/** systemd reads its units again when all of them are back, and before one of them is started. */
async function undo(changes: readonly HostChange[], record: JournalRecord, host: TransactionHost): Promise<void> {
  // There is nothing to take back of having watched, or forgotten.
  const inverse = changes
    .toReversed()
    .filter((change) => change.kind !== "watch" && change.kind !== "reset-failed")
    .map(invertChange);
  let unread = inverse.some((change) => change.kind === "reload");
  let switched: number | undefined;
  for (const change of inverse) {
    if (change.kind === "reload") continue;
    if (change.kind === "start" && unread) {
      await host.systemd.reload();
      unread = false;
    }
    if (change.kind === "start") switched ??= moment();
    await applyChange(change, host, sinceBegun(record, switched));
  }
  if (unread) await host.systemd.reload();
}

/** Microseconds of the clock by which systemd notes when units start. */
function moment(): number {
  return Number(process.hrtime.bigint() / 1000n);
}

/** The clock begins anew with each boot. */
function sinceBegun({ begun, boot }: JournalRecord, to: number | undefined): Meanwhile | undefined {
  if (begun === undefined || to === undefined || (boot !== undefined && boot !== bootId())) return undefined;
  return { from: begun, to };
}

/** What is started has to be what is there by then, and not what was `meanwhile`. */
async function applyChange(change: HostChange, host: TransactionHost, meanwhile?: Meanwhile): Promise<void> {
  const { systemd } = host;
  switch (change.kind) {
    case "file":
    case "symlink":
    case "directory":
    case "current":
    case "purge":
      return changeFile(change, host);
    case "reload":
      return systemd.reload();
    case "enable":
      await systemd.enable(change.unit);
      return;
    case "disable":
      await systemd.disable(change.unit);
      return;
    case "watch":
      return host.watch([change]);
    case "start":
      return systemd.start(change.unit, meanwhile);
    case "stop":
      return systemd.stop(change.unit);
    case "reset-failed":
      return systemd.resetFailed(change.unit);
    case "tmpfiles-create":
      return systemd.tmpfiles("create", change.path);
    case "tmpfiles-remove": {
      await systemd.tmpfiles("remove", change.path);
      for (const { path, mode } of change.made.toReversed()) changeFile({ kind: "directory", path, from: mode }, host);
    }
  }
}

function writeJournal(record: JournalRecord, host: TransactionHost): void {
  const path = host.root.path(host.journal);
  const made = mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  if (made !== undefined) syncDirectory(dirname(made));
  writeDurably(path, `${JSON.stringify({ ...record, boot: bootId() })}\n`, 0o600);
}

function removeJournal(host: TransactionHost): void {
  const path = host.root.path(host.journal);
  removeFile(path);
  syncDirectory(dirname(path));
}

function unrecovered(record: JournalRecord, host: TransactionHost, cause: unknown): KeelsonError {
  const errors: readonly unknown[] = cause instanceof AggregateError ? cause.errors : [cause];
  const why = errors.map((error) => (error instanceof Error ? error.message : String(error))).join("; then ");
  return new KeelsonError("E_RECOVER", `${record.verb} ${record.name} is half done: ${why}`, {
    hint: `Mend the cause and run keelson recover; ${host.root.path(host.journal)} holds what is to be done.`,
    cause,
  });
}
