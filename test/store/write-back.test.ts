import { mkdtempSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { openWriteBack } from "../../src/store/write-back.ts";

function directory(): string {
  const path = mkdtempSync(join(tmpdir(), "keelson-write-back-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** How many file descriptors of this process are of what is, or was, at `path`. */
function openFiles(path: string): number {
  const links = readdirSync("/proc/self/fd").map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return "";
    }
  });
  return links.filter((link) => link.startsWith(path)).length;
}

describe("writing back", () => {
  it("may be begun again and again, also where the directory is gone, and is over with close", async () => {
    const path = directory();
    const syncing = openWriteBack(path);
    syncing.begin();
    syncing.begin();
    syncing.finish();
    rmSync(path, { recursive: true });
    syncing.begin();
    syncing.finish();
    expect(openFiles(path)).toBe(2);
    syncing.close();
    await vi.waitFor(() => expect(openFiles(path)).toBe(0));
  });
});
