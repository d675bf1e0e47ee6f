import { type Command, Option } from "commander";
import type { BootRequest } from "../commands/boot.ts";
import type { GraphRequest } from "../commands/graph.ts";
import { type Act, tlsVerify } from "./command.ts";

/** The commands that say what is there, and keep it in order. */
export function addQuestions(program: Command, act: Act): void {
  program
    .command("list")
    .description("list the containers")
    .action(
      act(async (world) => {
        const { list } = await import("../commands/list.ts");
        await list(world);
      }),
    );
  program
    .command("info <name>")
    .description("show what is known of a container, or of an image in the store")
    .action(
      act(async (world, name: string) => {
        const { info } = await import("../commands/info.ts");
        await info(world, name);
      }),
    );
  addHistory(program, act);
  program
    .command("status [name]")
    .description("say whether all is well: services that failed, what is not as it was installed")
    .action(
      act(async (world, name: string | undefined) => {
        const { status } = await import("../commands/status.ts");
        return status(world, name);
      }),
    );
  addWhy(program, act);
  addGraph(program, act);
  addBoot(program, act);
  addVerify(program, act);
  program
    .command("recover")
    .description("finish or take back a change that a crash left half done")
    .action(
      act(async (world) => {
        const { recover } = await import("../commands/recover.ts");
        await recover(world);
      }),
    );
}

function addWhy(program: Command, act: Act): void {
  program
    .command("why <name>")
    .description("say why a container is not up, or not well, and what to type next")
    .action(
      act(async (world, name: string) => {
        const { why } = await import("../commands/why.ts");
        return why(world, name);
      }),
    );
}

function addGraph(program: Command, act: Act): void {
  const formats = ["text", "dot", "mermaid", "svg"];
  program
    .command("graph [names...]")
    .description("show what starts after what, and what pulls what in, with the states of the units")
    .addOption(new Option("--format <format>", "text, dot, mermaid or svg").choices(formats).default("text"))
    .action(
      act(async (world, names: readonly string[], options: Pick<GraphRequest, "format">) => {
        const { graph } = await import("../commands/graph.ts");
        await graph(world, { names, ...options });
      }),
    );
}

function addBoot(program: Command, act: Act): void {
  program
    .command("boot [name]")
    .description("show when each service of this boot was queued, started and ready, beside the targets")
    .addOption(new Option("--format <format>", "text or svg").choices(["text", "svg"]).default("text"))
    .action(
      act(async (world, name: string | undefined, options: Pick<BootRequest, "format">) => {
        const { boot } = await import("../commands/boot.ts");
        await boot(world, { name, ...options });
      }),
    );
}

function addVerify(program: Command, act: Act): void {
  program
    .command("verify [name]")
    .description("read again every byte that was installed, and name what is not as it was")
    .option("--repair", "put right what is not as it was", false)
    .addOption(tlsVerify())
    .action(
      act(
        async (world, name: string | undefined, options: { readonly repair: boolean; readonly tlsVerify: boolean }) => {
          if (!options.repair) {
            const { verify } = await import("../commands/verify.ts");
            return verify(world, name);
          }
          const { repair } = await import("../commands/repair.ts");
          return repair(world, { name, tlsVerify: options.tlsVerify });
        },
      ),
    );
}

function addHistory(program: Command, act: Act): void {
  program
    .command("history <name>")
    .description("list the deployments of a container; * is the current one, ! a pinned one")
    .action(
      act(async (world, name: string) => {
        const { history } = await import("../commands/history.ts");
        await history(world, name);
      }),
    );
  program
    .command("pin <name> <n>")
    .description("keep a deployment however many there are")
    .option("--remove", "let it go again", false)
    .action(
      act(async (world, name: string, number: string, options: { readonly remove: boolean }) => {
        const { pin } = await import("../commands/history.ts");
        await pin(world, name, number, !options.remove);
      }),
    );
}
