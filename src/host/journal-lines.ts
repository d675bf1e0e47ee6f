import { printable } from "../errors.ts";
import { programPath, runProgram } from "./program.ts";

/** Whose unit it is. */
export type JournalScope = "system" | "user";

const kept = 20;
const journalTimeout = 10_000;

/**
 * The last lines that a unit, and systemd about it, left in the journal since `begun` (milliseconds since 1970); none
 * where there is no journalctl. Never throws: it is asked when something else has already gone wrong. The moment before
 * a job was asked for tells one start from another better than the invocation's id, which the journal does not know of a
 * process that ended at once, or the unit's own time of starting, which comes after the program's first lines.
 */
export async function lastLines(unit: string, begun: number, scope: JournalScope): Promise<readonly string[]> {
  const journalctl = programPath("journalctl");
  if (journalctl === undefined) return [];
  try {
    // What the program wrote just before it ended may still be on its way.
    await runProgram(journalctl, ["--sync"], journalTimeout);
    // Without --reverse, --since makes --lines count from the first line on.
    const options = ["--quiet", "--no-pager", "--output=cat", "--reverse", `--lines=${kept}`];
    const { stdout } = await runProgram(
      journalctl,
      [...options, `--since=@${begun / 1000}`, unitOption(unit, scope)],
      journalTimeout,
    );
    const lines = stdout.split("\n").filter((line) => line !== "");
    return lines.toReversed().map((line) => `  ${printable(line)}`);
  } catch {
    return [];
  }
}

/** How journalctl(1) is asked for what a unit, and its manager about it, wrote. */
export function unitOption(unit: string, scope: JournalScope): string {
  return `${scope === "user" ? "--user-unit" : "--unit"}=${unit}`;
}

/** What the journal has of a start of a unit. */
export interface StartJournal {
  /** The last lines that its programs wrote, without what systemd says of it. */
  readonly output: readonly string[];
  /** systemd saw a process of it killed for want of memory; a unit that is delegated to does not fail as such by it. */
  readonly outOfMemory: boolean;
  /** systemd refused to start it once more. A unit that has failed before keeps the result of that. */
  readonly limited: boolean;
}

/** SD_MESSAGE_UNIT_OUT_OF_MEMORY and SD_MESSAGE_UNIT_OOMD_KILL of systemd's sd-messages.h. */
const outOfMemory = ["fe6faa94e7774663a0da52717891d8ef", "d989611b15e44c9dbf31e3c81256e4ed"];

/**
 * What is there of a unit since `begun` (milliseconds since 1970); nothing where there is no journalctl. Never throws, as
 * lastLines.
 */
export async function readStart(unit: string, begun: number, scope: JournalScope): Promise<StartJournal> {
  const journalctl = programPath("journalctl");
  const nothing = { output: [], outOfMemory: false, limited: false };
  if (journalctl === undefined) return nothing;
  try {
    await runProgram(journalctl, ["--sync"], journalTimeout);
    const options = ["--quiet", "--no-pager", "--output=json", "--reverse", `--lines=${kept * 5}`];
    const { stdout } = await runProgram(
      journalctl,
      [...options, `--since=@${begun / 1000}`, unitOption(unit, scope)],
      journalTimeout,
    );
    const lines = stdout.split("\n").filter((line) => line !== "");
    const entries = lines.toReversed().map((line): Entry => JSON.parse(line));
    const own = entries.filter(isManagers);
    return {
      output: entries
        .filter((entry) => !isManagers(entry))
        .map(messageOf)
        .slice(-kept),
      outOfMemory: own.some(({ MESSAGE_ID }) => outOfMemory.includes(MESSAGE_ID ?? "")),
      limited: own.some((entry) => messageOf(entry).endsWith("Start request repeated too quickly.")),
    };
  } catch {
    return nothing;
  }
}

/** In the journal's JSON. */
interface Entry {
  readonly MESSAGE?: unknown;
  readonly MESSAGE_ID?: string;
  readonly UNIT?: string;
  readonly USER_UNIT?: string;
}

/** What systemd says of a unit names it. */
function isManagers({ UNIT, USER_UNIT }: Entry): boolean {
  return UNIT !== undefined || USER_UNIT !== undefined;
}

/** A message that is no text is given as its bytes, one that is too long as null. */
function messageOf({ MESSAGE: message }: Entry): string {
  return Array.isArray(message) ? Buffer.from(message.map(Number)).toString() : String(message ?? "");
}
