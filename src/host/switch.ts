import { KeelsonError } from "../errors.ts";
import type { Deployment } from "../plan/deployment.ts";
import { markForSweep, noteChanges, writeOutcome } from "./generations.ts";
import { type JournalRecord, type TransactionHost, transact } from "./transaction.ts";

/**
 * Makes staged deployments current by the changes of `record`, and notes beside each what came of that: that it is good, and
 * that older ones may go, is part of the transaction. What a full or failing disk has stopped is not noted, so that it is
 * swept. `at` is RFC 3339.
 */
export async function switchTo(
  deployments: readonly Deployment[],
  record: JournalRecord,
  at: string,
  host: TransactionHost,
): Promise<void> {
  const directory = host.root.path(host.deployments);
  const notes = deployments.flatMap(({ name, generation }) =>
    noteChanges({ root: host.root, directory }, name, generation, at),
  );
  try {
    await transact({ ...record, changes: [...record.changes, ...notes] }, host);
  } catch (error) {
    if (error instanceof KeelsonError) {
      const [reason = ""] = error.message.split("\n");
      for (const { name, generation } of deployments) {
        writeOutcome(directory, name, generation, { state: "failed", at, reason });
        markForSweep(directory, name);
      }
    }
    throw error;
  }
}
