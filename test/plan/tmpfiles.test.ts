import { expect, it } from "vitest";
import { madeBy, parseTmpfiles, refuseClearing } from "../../src/plan/tmpfiles.ts";
import { secondsOf } from "../bed/run.ts";

const check = (line: string) => () => refuseClearing(parseTmpfiles(`${line}\n`, "tmpfiles"), "tmpfiles");

it.each([
  "R! /etc",
  "R /",
  "r /var/lib/*",
  "D /var/lib 0755 root root - -",
  "d /var/log 0755 root root 10d -",
  "e //var//lib - - - 0 -",
  "R /run/.",
  "R /usr/lib/app",
  "D /home/somebody/.cache",
  "R /usr",
])("%s is refused: it would remove what is the host's", (line) => {
  expect(check(line)).toThrow(expect.objectContaining({ code: "E_TMPFILES" }));
});

it.each([
  "d /etc/app 0755 root root - -",
  "L+ /usr/local/bin/app - - - - /opt/app",
  "D /run/app 0755 root root - -",
  "R! /var/lib/app/cache",
  "d /var/cache/app 0755 root root 10d -",
  "r! /run/app.pid",
])("%s is an image's to ask for", (line) => {
  expect(check(line)).not.toThrow();
});

it("a path with very many slashes is read in time that grows as it does", () => {
  const lines = parseTmpfiles(`d /a${"/".repeat(200_000)}b\nd /c//\n`, "tmpfiles");
  expect(secondsOf(() => void madeBy(lines))).toBeLessThan(2);
  expect(madeBy(lines)[1]).toBe("/c");
});
