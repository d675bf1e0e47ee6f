import { type Command, Option } from "commander";
import type { ApplyRequest } from "../commands/apply.ts";
import type { LockRequest } from "../commands/lock.ts";
import { type Act, dryRun, platform, switching, tlsVerify } from "./command.ts";

/** Adds `apply`; as a part of `plan` it only says what it would do. */
export function addApply(parent: Command, act: Act, planned: boolean): Command {
  const command = parent
    .command("apply [stack]")
    .description("bring containers to what a stack file, or a directory of them, says; all of them or none")
    .option("--prune", "uninstall what the stack has brought and has no longer", false)
    .addOption(
      new Option("--enable-at-boot", "apply /etc/keelson/stack.d at every boot, too, with the same options")
        .default(false)
        .conflicts("disableAtBoot"),
    )
    .option("--disable-at-boot", "do so no longer", false);
  return switching(command).action(
    act(async (world, stack: string | undefined, options: Omit<ApplyRequest, "stack">) => {
      const { apply } = await import("../commands/apply.ts");
      return apply(world, { stack, ...options, dryRun: planned || options.dryRun });
    }),
  );
}

/** `plan STACK` is `plan apply STACK`. */
export function planStack(plan: Command, act: Act): void {
  plan.argument("[stack]").action(
    act(async (world, stack: string | undefined) => {
      const { apply, usualRequest } = await import("../commands/apply.ts");
      return apply(world, { stack, ...usualRequest, dryRun: true });
    }),
  );
}

/** Adds `lock`. */
export function addLock(program: Command, act: Act): void {
  program
    .command("lock [stack]")
    .description("write beside a stack file which images its names stand for now; apply takes exactly those")
    .addOption(dryRun().default(false))
    .addOption(platform())
    .addOption(tlsVerify())
    .action(
      act(async (world, stack: string | undefined, options: Omit<LockRequest, "stack">) => {
        const { lock } = await import("../commands/lock.ts");
        return lock(world, { stack, ...options });
      }),
    );
}
