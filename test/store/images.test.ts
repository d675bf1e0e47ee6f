import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { digestOf } from "../../src/image/digest.ts";
import { readDocuments } from "../../src/store/documents.ts";
import { writeAllDurably } from "../../src/store/durable.ts";
import {
  addImage,
  imageFiles,
  planIndex,
  readImages,
  removeImages,
  type StoredImage,
  writeImage,
} from "../../src/store/images.ts";
import { runProgram, scratchDirectory } from "../bed/scratch.ts";

interface Made {
  readonly image: StoredImage;
  readonly manifest: Buffer;
  readonly config: Buffer;
}

/** An image without layers; `content` tells it from others. */
function make(reference: string | undefined, content: string, more: Partial<StoredImage> = {}): Made {
  const config = Buffer.from(
    JSON.stringify({ os: "linux", architecture: "amd64", author: content, rootfs: { type: "layers", diff_ids: [] } }),
  );
  const mediaType = "application/vnd.oci.image.config.v1+json";
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: "application/vnd.oci.image.manifest.v1+json",
      config: { mediaType, digest: digestOf(config), size: config.length },
      layers: [],
    }),
  );
  const image: StoredImage = {
    ...(reference === undefined ? {} : { reference }),
    digest: digestOf(manifest),
    id: digestOf(config),
    commit: "c".repeat(64),
    pulled: "2026-01-02T03:04:05.000Z",
    kept: true,
    ...more,
  };
  return { image, manifest, config };
}

function write(directory: string, ...made: readonly Made[]): void {
  for (const { image, manifest, config } of made) writeImage(directory, image, manifest, config);
}

function names(directory: string): readonly (readonly [string | undefined, string])[] {
  const byDigest = new Map(["one", "two"].map((content) => [make("", content).image.digest, content] as const));
  return readImages(directory).map((image) => [image.reference, byDigest.get(image.digest) ?? ""]);
}

describe("the images of a store", () => {
  it("are none where nothing is", () => {
    expect(readImages(join(scratchDirectory(), "none"))).toEqual([]);
  });

  it("are read as they were written, by reference", () => {
    const directory = scratchDirectory();
    const [b, a] = [make("h/b:1", "one"), make("h/a:1", "two", { kept: false })];
    write(directory, b, a);
    expect(readImages(directory)).toEqual([a.image, b.image]);
    expect(readDocuments(directory, a.image).config.platform).toEqual({ os: "linux", architecture: "amd64" });
  });

  it("are an OCI layout that skopeo reads", () => {
    const directory = scratchDirectory();
    const one = make("h/a:1", "one");
    write(directory, one);
    expect(runProgram("skopeo", ["inspect", "--raw", `oci:${directory}`])).toBe(one.manifest.toString());
  });

  it("have no name and are nobody's until they are given one, unless they have one", () => {
    const directory = scratchDirectory();
    const { image, manifest, config } = make("h/a:1", "one");
    writeAllDurably(imageFiles(directory, manifest, config));
    addImage(directory, image);
    const { reference: _, ...unnamed } = image;
    expect(readImages(directory)).toEqual([{ ...unnamed, kept: false }]);
    const { path, from, to } = planIndex(directory, [{ kind: "name", image }]);
    expect(readFileSync(path, "utf8")).toBe(from);
    writeFileSync(path, to);
    addImage(directory, { ...image, reference: "h/b:1" });
    expect(readImages(directory)).toEqual([image]);
  });

  it("give the same list in whatever order they came", () => {
    const [one, two] = [make("h/a:1", "one"), make("h/b:1", "two")];
    const lists = [
      [one, two],
      [two, one],
    ].map((made) => {
      const directory = scratchDirectory();
      write(directory, ...made);
      return readFileSync(join(directory, "index.json"), "utf8");
    });
    expect(lists[0]).toBe(lists[1]);
  });

  it("are closed to other users", () => {
    const directory = scratchDirectory();
    write(directory, make("h/a:1", "one"));
    expect(statSync(join(directory, "index.json")).mode & 0o777).toBe(0o600);
  });

  it("may be one under two names, which stays until both are gone", () => {
    const directory = scratchDirectory();
    const [a, b] = [make("h/a:1", "one"), make("h/b:1", "one")];
    write(directory, a, b, a);
    expect(names(directory)).toEqual([
      ["h/a:1", "one"],
      ["h/b:1", "one"],
    ]);
    removeImages(directory, [a.image]);
    expect(names(directory)).toEqual([["h/b:1", "one"]]);
    expect(readDocuments(directory, b.image).manifest.layers).toEqual([]);
    removeImages(directory, [b.image]);
    expect(readImages(directory)).toEqual([]);
  });

  it("keep one without a name when its name moves on", () => {
    const directory = scratchDirectory();
    write(directory, make("h/a:1", "one"), make("h/a:1", "two"));
    expect(names(directory).toSorted()).toEqual([
      [undefined, "one"],
      ["h/a:1", "two"],
    ]);
  });

  it("lose no image whose other name stays when one name moves on", () => {
    const directory = scratchDirectory();
    write(directory, make("h/a:1", "one"), make("h/b:1", "one"), make("h/a:1", "two"));
    expect(names(directory)).toEqual([
      ["h/a:1", "two"],
      ["h/b:1", "one"],
    ]);
  });

  it("name one again that had lost its name", () => {
    const directory = scratchDirectory();
    write(directory, make("h/a:1", "one"), make("h/a:1", "two"), make("h/b:1", "one"));
    expect(names(directory)).toEqual([
      ["h/a:1", "two"],
      ["h/b:1", "one"],
    ]);
  });

  it("swap places when a name goes back and forth", () => {
    const directory = scratchDirectory();
    write(directory, make("h/a:1", "one"), make("h/a:1", "two"), make("h/a:1", "one"));
    expect(names(directory).toSorted()).toEqual([
      [undefined, "two"],
      ["h/a:1", "one"],
    ]);
  });

  it("without names are removed by digest, one by one", () => {
    const directory = scratchDirectory();
    write(directory, make("h/a:1", "one"), make("h/a:1", "two"));
    const [nameless] = readImages(directory).filter((image) => image.reference === undefined);
    if (nameless === undefined) throw new Error("none without a name");
    removeImages(directory, [make(undefined, "two").image]);
    expect(readImages(directory)).toHaveLength(2);
    removeImages(directory, [nameless]);
    expect(names(directory)).toEqual([["h/a:1", "two"]]);
  });
});

describe("a damaged image", () => {
  it("is refused, whichever of its documents it is", () => {
    for (const which of ["digest", "id"] as const) {
      const directory = scratchDirectory();
      const made = make("h/a:1", "one");
      write(directory, made);
      const path = join(directory, "blobs/sha256", made.image[which].slice("sha256:".length));
      writeFileSync(path, `${readFileSync(path, "utf8")} `);
      expect(() => readDocuments(directory, made.image)).toThrow(expect.objectContaining({ code: "E_STORE" }));
      rmSync(path);
      expect(() => readDocuments(directory, made.image)).toThrow(expect.objectContaining({ code: "E_STORE" }));
    }
  });

  it("is refused when the index is cut off", () => {
    const directory = scratchDirectory();
    write(directory, make("h/a:1", "one"));
    const index = readFileSync(join(directory, "index.json"), "utf8");
    writeFileSync(join(directory, "index.json"), index.slice(0, -10));
    expect(() => readImages(directory)).toThrow(expect.objectContaining({ code: "E_STORE" }));
    expect(readdirSync(directory).sort()).toEqual(["blobs", "index.json", "oci-layout"]);
  });
});
