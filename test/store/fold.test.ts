import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { buildImage } from "../bed/images.ts";
import { type LayerFiles, packLayer } from "../bed/layer-files.ts";
import { runProgram, scratchDirectory } from "../bed/scratch.ts";
import { deploy } from "./deploy.ts";
import { layerTar, someLayers } from "./layer-tars.ts";
import { listDirectory } from "./listing.ts";

const seed = 20260103;
const numRuns = 45;

/**
 * What someLayers leaves out because umoci 0.4.7 differs there:
 * - an entry or a whiteout below a file, fifo or device, directly or through symlinks: umoci stops with ENOTDIR;
 * - an opaque marker on a symlink in a loop: both refuse it;
 * - a whiteout of a directory behind new entries in it: umoci keeps the directory that the lower layer described;
 * - a whiteout behind a hard link to what it removes: to umoci the target is still there, here whiteouts act first;
 * - a whiteout or opaque marker behind entries that symlinks may lead where it acts: umoci takes both in archive order;
 * - a hard link over a directory that holds its target: umoci has removed the target by then;
 * - a set-group-id directory: umoci lets the kernel hand its group to directories without an entry, which are 0:0 here;
 * - a hard link to nothing or to a directory: both refuse it;
 * - a name twice in one layer, which the specification forbids.
 * Modification times are not compared: umoci sets that of a directory anew when a whiteout acts in it.
 */
async function compareWithUmoci(tars: readonly Buffer[], scratch: string): Promise<void> {
  const image = await buildImage({ layers: tars });
  try {
    runProgram("umoci", ["unpack", "--image", `${image.directory}:latest`, join(scratch, "bundle")]);
  } finally {
    await image.remove();
  }
  const repository = await deploy(tars, join(scratch, "repo"), join(scratch, "rootfs"));
  const wanted = listDirectory(join(scratch, "bundle", "rootfs"));
  const found = listDirectory(join(scratch, "rootfs"));
  expect(found.rows).toEqual(wanted.rows);
  expect(found.xattrs).toBe(wanted.xattrs);
  for (const group of wanted.links)
    expect(found.links.some((links) => group.every((path) => links.includes(path)))).toBe(true);
  expect(runProgram("ostree", ["fsck", `--repo=${repository.path}`])).toContain("no errors found");
}

describe("68: layers unpack as umoci unpacks them", () => {
  it(`whatever entries they have (${numRuns} images, seed ${seed})`, async () => {
    const entries = fc.sample(someLayers, { seed, numRuns }).flat(2);
    expect(new Set(entries.map((entry) => entry.kind)).size).toBe(8);
    expect(entries.length).toBeGreaterThan(600);
    await fc.assert(
      fc.asyncProperty(someLayers, async (layers) => {
        const scratch = mkdtempSync(join(tmpdir(), "keelson-fold-"));
        try {
          await compareWithUmoci(layers.map(layerTar), scratch);
        } finally {
          rmSync(scratch, { recursive: true, force: true });
        }
      }),
      { seed, numRuns },
    );
  });

  it("written by GNU tar, of everything a layer may hold", async () => {
    const scratch = scratchDirectory();
    const lower: LayerFiles = {
      "usr/bin/ping": { kind: "file", content: "ping", mode: 0o755 },
      "usr/bin/su": { kind: "file", content: "su", mode: 0o4755, uid: 0, gid: 7 },
      "usr/bin/su-link": { kind: "hardlink", target: "usr/bin/su" },
      "usr/lib/old": "old",
      lib: { kind: "symlink", target: "usr/lib" },
      "var/tmp": { kind: "directory", mode: 0o1777 },
      "var/mail/one": { kind: "file", content: "1", uid: 8, gid: 8, xattrs: { "user.note": "kept" } },
      "dev/null": { kind: "character", major: 1, minor: 3, mode: 0o666 },
      "run/pipe": { kind: "fifo", mode: 0o600 },
      "etc/conf.d/a": "a",
      "etc/conf.d/b": "b",
      "etc/was-a-directory/file": "x",
      "etc/was-a-file": "x",
    };
    const upper: LayerFiles = {
      "etc/conf.d/.wh..wh..opq": "",
      "etc/conf.d/c": "c",
      "etc/was-a-directory": { kind: "symlink", target: "/usr" },
      "etc/was-a-file/file": "now below",
      "usr/bin/.wh.ping": "",
      "usr/bin/su": { kind: "file", content: "another", mode: 0o755 },
      "var/.wh.mail": "",
      "var/mail/two": { kind: "file", content: "2", uid: 8, gid: 8, mode: 0o2755 },
    };
    const tars: Buffer[] = [];
    for (const files of [lower, upper]) {
      await packLayer(files, join(scratch, "layer.tar"));
      tars.push(readFileSync(join(scratch, "layer.tar")));
    }
    await compareWithUmoci(tars, scratch);
    const { rows } = listDirectory(join(scratch, "rootfs"));
    expect(Object.keys(rows).filter((path) => /^.(var.mail|etc.conf.d|usr.bin)./.test(path))).toEqual([
      "/etc/conf.d/c",
      "/usr/bin/su",
      "/usr/bin/su-link",
      "/var/mail/two",
    ]);
  });
});
