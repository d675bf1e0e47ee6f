import {
  copyFileSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { libc } from "../../src/store/libc.ts";
import { type FakeRegistry, startFakeRegistry } from "../fakes/registry.ts";
import type { Blobs, BuiltImage, HostileCase, Place } from "./case.ts";
import { blobFile, manifestType, writeLayout } from "./layout.ts";
import { differencesFrom, type Row, snapshotOf } from "./rows.ts";

/** One case, built: directories beside each other for the image, for what must not be touched, and for whoever unpacks it. */
export interface Stand {
  readonly base: string;
  readonly place: Place;
  readonly image: BuiltImage;
  readonly layout: string;
  /** What keelson and others call the image. */
  readonly reference: string;
  /** A new directory for what is installed. */
  readonly root: string;
  /** What is not as it was beside `root`, a line each. */
  escapes(): readonly string[];
  remove(): Promise<void>;
}

/** A directory in memory where that takes extended attributes: nothing of a case has to outlive it. */
function fastDirectory(): string {
  const probe = mkdtempSync("/dev/shm/keelson-");
  try {
    libc().setXattr(Buffer.from(probe), "user.probe", Buffer.from("x"));
    return "/dev/shm";
  } catch {
    return tmpdir();
  } finally {
    rmSync(probe, { recursive: true });
  }
}

/** Builds a case below `parent`. */
export async function makeStand(hostile: HostileCase, parent = fastDirectory()): Promise<Stand> {
  const base = mkdtempSync(join(parent, "keelson-hostile-"));
  const place = { outside: join(base, "outside"), scratch: join(base, "scratch") };
  const [layout, root] = [join(base, "layout"), join(base, "root")];
  for (const directory of [
    place.scratch,
    join(place.outside, "kept"),
    layout,
    join(root, "usr/sbin"),
    join(root, "var/lib"),
  ])
    mkdirSync(directory, { recursive: true });
  writeFileSync(join(place.outside, "secret"), "secret\n", { mode: 0o600 });
  writeFileSync(join(place.outside, "kept/file"), "kept\n");
  symlinkSync(".", join(place.outside, "self"));
  const image = hostile.build(place);
  const blobs = writeLayout(image, layout);
  image.prepare?.(root);
  if (image.settings !== undefined) {
    mkdirSync(join(root, "etc/keelson"), { recursive: true });
    writeFileSync(join(root, "etc/keelson/keelson.conf"), image.settings);
  }
  if (image.install !== undefined) shareRuntime(join(root, "usr/sbin/runc"));
  const registry = image.registry && (await serve(image.registry, layout, blobs));
  const before = beside(base);
  return {
    base,
    place,
    image,
    layout,
    reference: registry?.reference ?? image.reference?.(layout) ?? `oci:${layout}:latest`,
    root,
    escapes: () => changedRows(before, beside(base)),
    remove: async () => {
      await registry?.stop();
      rmSync(base, { recursive: true, force: true });
    },
  };
}

/** How the tree at `directory` is not what the case wants. */
export function treeDifferences({ expect }: HostileCase, stand: Stand, directory: string): readonly string[] {
  return expect.kind === "refused" ? ["it was accepted"] : differencesFrom(expect.tree, directory, stand.place.outside);
}

/** The paths at which two listings differ, with both rows. */
export function changedRows(before: Listing, after: Listing): readonly string[] {
  const paths = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  return paths
    .filter((path) => before[path] !== after[path])
    .map((path) => `${JSON.stringify(path)}: ${before[path]} -> ${after[path]}`);
}

type Listing = Readonly<Record<string, Row>>;

/** Everything of a stand but what is installed in it, and the time of the directory that holds it. */
function beside(base: string): Listing {
  const rows = ["outside", "scratch", "layout"].flatMap((name) =>
    Object.entries(snapshotOf(join(base, name))).map(([path, row]) => [`${name}/${path}`, row] as const),
  );
  return Object.fromEntries(rows);
}

function shareRuntime(path: string): void {
  try {
    linkSync("/usr/sbin/runc", path);
  } catch {
    copyFileSync("/usr/sbin/runc", path);
  }
}

async function serve(
  change: NonNullable<BuiltImage["registry"]>,
  layout: string,
  blobs: Blobs,
): Promise<{ readonly reference: string; stop(): Promise<void> }> {
  const fake: FakeRegistry = await startFakeRegistry();
  for (const digest of [...blobs.layers, blobs.config]) fake.blobs.set(digest, readFileSync(blobFile(layout, digest)));
  const manifest = { type: manifestType, bytes: readFileSync(blobFile(layout, blobs.manifest)) };
  fake.manifests.set("latest", manifest).set(blobs.manifest, manifest);
  change(fake, blobs);
  return { reference: `docker://${fake.host}/hostile:latest`, stop: fake.stop };
}
