import { cpSync, mkdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { expect, it } from "vitest";
import { environment, runToEnd } from "../bed/journey.ts";
import { builtProgram } from "../bed/program.ts";
import { scratchDirectory } from "../bed/scratch.ts";

/** What glibc itself consists of, as far as a program is linked with it. */
const glibc = /^(?:ld-linux-.*|libc|libdl|libm|libpthread|librt)\.so\.[0-9]+$/;

it("the built program needs nothing of its host but a shell and glibc", async () => {
  const root = scratchDirectory();
  const { sharedObjects } = process.report.getReport() as { readonly sharedObjects: readonly string[] };
  for (const path of sharedObjects.filter((object) => glibc.test(basename(object))))
    cpSync(path, join(root, path), { recursive: true, dereference: true });
  cpSync("/bin/busybox", join(root, "bin/sh"));
  cpSync(dirname(await builtProgram()), join(root, "opt/keelson"), { recursive: true });
  mkdirSync(join(root, "var/lib/keelson"), { recursive: true });
  // Which takes the lock, for which it calls libc.
  const ran = await runToEnd("chroot", [root, "/opt/keelson/keelson", "recover"], { env: environment });
  expect(ran).toEqual({ status: 0, stdout: "nothing to recover\n", stderr: "" });
});
