import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { sweepDeployments } from "../../src/host/deployments.ts";
import {
  markForSweep,
  noteChanges,
  readGenerations,
  sweepGenerations,
  sweepIfMarked,
  writeOutcome,
  writePin,
} from "../../src/host/generations.ts";
import { openRoot } from "../../src/host/root.ts";
import { runProgram, scratchDirectory } from "../bed/scratch.ts";

const at = "2026-01-01T00:00:00Z";

/** A container `foo` with these generations: `g`ood, `f`ailed, `p`inned and good, `-` without outcome. */
function container(states: string, current: number): string {
  const directory = scratchDirectory();
  for (const [index, state] of [...states].entries()) {
    const number = index + 1;
    const place = join(directory, "foo", String(number));
    mkdirSync(join(place, "rootfs/bin"), { recursive: true });
    writeFileSync(join(place, "deployment.json"), JSON.stringify({ name: "foo", generation: number }));
    if (state === "f") writeOutcome(directory, "foo", number, { state: "failed", at, reason: "no" });
    if (state === "g" || state === "p") writeOutcome(directory, "foo", number, { state: "good", at, reason: "" });
    if (state === "p") writePin(directory, "foo", number, true);
  }
  symlinkSync(String(current), join(directory, "foo/current"));
  return directory;
}

const left = (directory: string): readonly number[] =>
  readGenerations(directory, "foo").map((generation) => generation.number);

it("generations are read oldest first, by number and not by name", () => {
  const directory = container("gggggggggg", 10);
  expect(left(directory)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  expect(readGenerations(directory, "foo").filter((generation) => generation.current)).toEqual([
    {
      number: 10,
      current: true,
      pinned: false,
      deployment: { name: "foo", generation: 10 },
      outcome: { state: "good", at, reason: "" },
    },
  ]);
});

it("what is no generation is passed over, and one whose records cannot be read hides no other", () => {
  const directory = container("ggg", 3);
  for (const name of ["4.new", "04", "x", "0"]) mkdirSync(join(directory, "foo", name));
  writeFileSync(join(directory, "foo/2/deployment.json"), "{");
  writeFileSync(join(directory, "foo/2/outcome.json"), "");
  expect(left(directory)).toEqual([1, 2, 3]);
  expect(readGenerations(directory, "foo")[1]).toEqual({ number: 2, current: false, pinned: false });
});

it("a container that is not there has no generations", () => {
  expect(readGenerations(scratchDirectory(), "foo")).toEqual([]);
  expect(sweepGenerations(scratchDirectory(), "foo", 1)).toEqual([]);
});

it("an outcome and a pin can be written again, and a pin let go twice", () => {
  const directory = container("f", 1);
  writeOutcome(directory, "foo", 1, { state: "good", at, reason: "" });
  writePin(directory, "foo", 1, true);
  writePin(directory, "foo", 1, true);
  expect(readGenerations(directory, "foo")[0]).toMatchObject({ pinned: true, outcome: { state: "good" } });
  writePin(directory, "foo", 1, false);
  writePin(directory, "foo", 1, false);
  expect(readGenerations(directory, "foo")[0]?.pinned).toBe(false);
});

it.each<[string, string, number, number, readonly number[]]>([
  ["the newest that are kept stay", "ggggg", 5, 3, [3, 4, 5]],
  ["fewer than are kept all stay", "-g", 2, 3, [1, 2]],
  ["with one kept only the current one stays", "ggg", 3, 1, [3]],
  ["the current one stays however old it is", "ggggg", 1, 2, [1, 4, 5]],
  ["a pinned one stays beside those that are kept", "pgggg", 5, 2, [1, 4, 5]],
  ["of those that failed the last stays", "gfffg", 5, 3, [1, 4, 5]],
  ["a failed one is not counted among those kept", "ggff", 2, 2, [1, 2, 4]],
  ["a failed one that is current is kept as such", "gff", 2, 1, [2, 3]],
])("%s", (_, states, current, keep, expected) => {
  const directory = container(states, current);
  const swept = sweepGenerations(directory, "foo", keep);
  expect(left(directory)).toEqual(expected);
  expect(swept).toEqual([...states].map((_, index) => index + 1).filter((number) => !expected.includes(number)));
  expect(sweepGenerations(directory, "foo", keep)).toEqual([]);
});

it("56: a generation that a process lives in stays until the process is gone", async () => {
  const directory = container("ggg", 3);
  const rootfs = join(directory, "foo/1/rootfs");
  copyFileSync("/bin/busybox", join(rootfs, "bin/busybox"));
  const script = 'mount --bind "$1" "$1" && exec chroot "$1" /bin/busybox sh -c "echo in; exec /bin/busybox cat"';
  const child = spawn("unshare", ["--mount", "sh", "-c", script, "sh", rootfs], { stdio: ["pipe", "pipe", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const ended = once(child, "exit");
  await once(child.stdout, "data");

  expect(sweepGenerations(directory, "foo", 1)).toEqual([2]);
  expect(existsSync(join(rootfs, "bin/busybox"))).toBe(true);
  child.stdin.end();
  await ended;
  expect(sweepGenerations(directory, "foo", 1)).toEqual([1]);
  expect(readdirSync(join(directory, "foo")).sort()).toEqual(["3", "current"]);
});

it("what notes that a deployment is good also marks its container, once, as one to be swept", () => {
  const directory = join(scratchDirectory(), "deployments");
  mkdirSync(join(directory, "foo/2"), { recursive: true });
  const places = { root: openRoot("/"), directory };
  const good = {
    kind: "file",
    path: join(directory, "foo/2/outcome.json"),
    to: expect.objectContaining({ mode: 0o600 }),
  };
  const mark = { kind: "file", path: join(directory, "foo/unswept"), to: expect.objectContaining({ mode: 0o600 }) };
  expect(noteChanges(places, "foo", 2, at)).toEqual([good, mark]);
  markForSweep(directory, "foo");
  expect(noteChanges(places, "foo", 2, at)).toEqual([good]);
});

it("only a container that is marked is swept, and then no longer marked", () => {
  const directory = container("ggg", 3);
  sweepIfMarked(directory, 1);
  expect(left(directory)).toEqual([1, 2, 3]);
  markForSweep(directory, "foo");
  sweepIfMarked(directory, 1);
  expect(readdirSync(join(directory, "foo")).sort()).toEqual(["3", "current"]);
});

it.each<[string, string, number, readonly string[]]>([
  ["newer than the current one and never switched to is removed", "g-", 1, ["1", "current"]],
  ["that failed stays", "gf", 1, ["1", "2", "current"]],
  ["that was gone back from stays", "-g", 1, ["1", "2", "current"]],
  ["older than the current one stays", "--", 2, ["1", "2", "current"]],
])("25: of what a crash may leave, a generation %s", (_, states, current, expected) => {
  const directory = container(states, current);
  mkdirSync(join(directory, "foo/9.new"));
  sweepDeployments(directory);
  expect(readdirSync(join(directory, "foo")).sort()).toEqual(expected);
});

it("25: a generation whose removal is cut short is none any more, and the next sweep removes the rest", () => {
  const directory = container("gg", 2);
  const file = join(directory, "foo/1/rootfs/bin/stays");
  writeFileSync(file, "");
  runProgram("chattr", ["+i", file]);
  expect(() => sweepGenerations(directory, "foo", 1)).toThrow("EPERM");
  runProgram("chattr", ["-i", join(directory, "foo/1.old/rootfs/bin/stays")]);
  expect(left(directory)).toEqual([2]);
  sweepDeployments(directory);
  expect(readdirSync(join(directory, "foo")).sort()).toEqual(["2", "current"]);
});
