import { existsSync } from "node:fs";
import { readJournal } from "../host/transaction.ts";
import { asWriter, transactionHost, type World } from "../world.ts";

/** Finishes or takes back a change that a crash or power cut left half done. Nothing to do is no error. */
export async function recover(world: World): Promise<void> {
  const journal = existsSync(world.paths.state) ? readJournal(transactionHost(world)) : undefined;
  const lines: string[] = [];
  if (existsSync(world.paths.state)) {
    await asWriter(
      { ...world, output: { ...world.output, message: (text) => lines.push(text) } },
      "recover",
      async () => {},
    );
  }
  const document = {
    recovered: journal === undefined ? null : { verb: journal.verb, name: journal.name, direction: journal.direction },
  };
  world.output.answer(document, lines.length === 0 ? ["nothing to recover"] : lines);
}
