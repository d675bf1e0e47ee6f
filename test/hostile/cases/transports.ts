import { rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runProgram } from "../../bed/scratch.ts";
import { tarArchive, tarEntry } from "../../bed/tar-writer.ts";
import { type BuiltImage, casesOf, exactly, refused } from "../case.ts";
import { file, layer } from "../entries.ts";
import { blobFile, sha256 } from "../layout.ts";
import { isFile } from "../rows.ts";

const tar = layer(file("f", "x"));
const layers = [tar];
const notRegular = refused("E_SOURCE", /not a regular file/);
const missing = refused("E_SOURCE", /no (?:member|manifest.json)|it has no/);
const config = Buffer.from(
  JSON.stringify({ os: "linux", architecture: "amd64", rootfs: { type: "layers", diff_ids: [sha256(tar)] } }),
);

/** A docker-archive of these members, whose manifest.json says what is given. */
function archive(list: unknown, ...members: readonly Buffer[]): BuiltImage {
  const text = typeof list === "string" ? list : JSON.stringify(list);
  const bytes = tarArchive(...members, tarEntry({ name: "manifest.json" }, text));
  return {
    arrange: (layout) => writeFileSync(join(layout, "image.tar"), bytes),
    reference: (layout) => `docker-archive:${join(layout, "image.tar")}`,
  };
}

const said = (more: object = {}) => [{ Config: "config.json", RepoTags: null, Layers: ["layer.tar"], ...more }];
const members = [tarEntry({ name: "config.json" }, config), tarEntry({ name: "layer.tar" }, tar)];

/** Replaces the only layer of the layout. */
function instead(put: (path: string, outside: string) => void): (place: { readonly outside: string }) => BuiltImage {
  return ({ outside }) => ({
    layers,
    arrange: (layout, { layers: [digest = ""] }) => {
      rmSync(blobFile(layout, digest));
      put(blobFile(layout, digest), outside);
    },
  });
}

/** Files where an image's should be that are none, and archives that lead elsewhere. */
export const transports = casesOf(
  "2.6",
  ["a fifo for a layer", instead((path) => void runProgram("mkfifo", [path])), notRegular],
  ["a device for a layer", instead((path) => void runProgram("mknod", [path, "c", "1", "5"])), notRegular],
  ["a directory for a layer", instead((path) => void runProgram("mkdir", [path])), notRegular],
  [
    "a link to a secret for a layer",
    instead((path, outside) => symlinkSync(join(outside, "secret"), path)),
    notRegular,
  ],
  ["no file for a layer", instead(() => undefined), refused("E_SOURCE", /lacks the blob/)],
  [
    "a link for an index",
    ({ outside }) => ({
      layers,
      arrange: (layout) => {
        rmSync(join(layout, "index.json"));
        symlinkSync(join(outside, "secret"), join(layout, "index.json"));
      },
    }),
    notRegular,
  ],
  [
    "a layout of another version",
    { layers, arrange: (layout) => writeFileSync(join(layout, "oci-layout"), '{"imageLayoutVersion":"2.0.0"}') },
    refused("E_SOURCE", /version 1/),
  ],
  ["a docker-archive", archive(said(), ...members), exactly({ f: isFile("x") })],
  [
    "a docker-archive with a layer of the host",
    ({ outside }) => archive(said({ Layers: [join(outside, "secret")] }), ...members),
    missing,
  ],
  [
    "a docker-archive with a configuration of the host",
    archive(said({ Config: "/etc/hostname" }), ...members),
    missing,
  ],
  [
    "a docker-archive with a layer that climbs",
    archive(said({ Layers: ["../../../outside/secret"] }), ...members),
    missing,
  ],
  [
    "a docker-archive with a member that climbs",
    archive(said({ Layers: ["../layer.tar"] }), tarEntry({ name: "../layer.tar" }, tar), ...members.slice(0, 1)),
    missing,
  ],
  [
    "a docker-archive with a link to the host",
    ({ outside }) =>
      archive(
        said(),
        tarEntry({ name: "layer.tar", type: "2", linkTarget: join(outside, "secret") }),
        ...members.slice(0, 1),
      ),
    missing,
  ],
  [
    "a docker-archive with a link inside",
    archive(
      said({ Layers: ["a/layer.tar"] }),
      ...members,
      tarEntry({ name: "a/layer.tar", type: "2", linkTarget: "../layer.tar" }),
    ),
    exactly({ f: isFile("x") }),
  ],
  [
    "a docker-archive with links in a circle",
    archive(
      said({ Layers: ["a"] }),
      tarEntry({ name: "a", type: "2", linkTarget: "b" }),
      tarEntry({ name: "b", type: "2", linkTarget: "a" }),
      ...members,
    ),
    missing,
  ],
  [
    "a docker-archive with another layer than the diff id says",
    archive(said(), tarEntry({ name: "layer.tar" }, layer(file("g"))), ...members.slice(0, 1)),
    refused("E_DIGEST", /./),
  ],
  ["a docker-archive that lists nothing", archive([]), refused("E_SOURCE", /holds no image/)],
  ["a docker-archive that lists text", archive("text", ...members), refused("E_SOURCE", /not JSON/)],
  [
    "a docker-archive that lists numbers",
    archive([{ Config: 1, Layers: [2] }], ...members),
    refused("E_SOURCE", /does not say/),
  ],
);
