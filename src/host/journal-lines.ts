import { printable } from "../errors.ts";
import { programPath, runProgram } from "./program.ts";

const kept = 20;
const journalTimeout = 10_000;

/**
 * The last lines that a unit, and systemd about it, left in the journal since `begun` (milliseconds since 1970); none
 * where there is no journalctl. Never throws: it is asked when something else has already gone wrong. The moment before
 * a job was asked for tells one start from another better than the invocation's id, which the journal does not know of a
 * process that ended at once, or the unit's own time of starting, which comes after the program's first lines.
 */
export async function lastLines(unit: string, begun: number): Promise<readonly string[]> {
  const journalctl = programPath("journalctl");
  if (journalctl === undefined) return [];
  try {
    // What the program wrote just before it ended may still be on its way.
    await runProgram(journalctl, ["--sync"], journalTimeout);
    // Without --reverse, --since makes --lines count from the first line on.
    const options = ["--quiet", "--no-pager", "--output=cat", "--reverse", `--lines=${kept}`];
    const { stdout } = await runProgram(
      journalctl,
      [...options, `--since=@${begun / 1000}`, `--unit=${unit}`],
      journalTimeout,
    );
    const lines = stdout.split("\n").filter((line) => line !== "");
    return lines.toReversed().map((line) => `  ${printable(line)}`);
  } catch {
    return [];
  }
}
