import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { readOverrides } from "../../src/host/overrides.ts";
import { openRoot } from "../../src/host/root.ts";
import { hostPlaces } from "../../src/plan/places.ts";
import { scratchDirectory } from "../bed/scratch.ts";

it("the files of a container are read in the order of their names; hidden and other files are none of them", () => {
  const directory = scratchDirectory();
  const root = openRoot(directory);
  expect(readOverrides(root, "foo", hostPlaces)).toEqual([]);
  const files = [
    "foo.d/20-b.conf",
    "foo.d/ä.conf",
    "foo.d/10-a.conf",
    "foo.d/.x.conf",
    "foo.d/x.conf.bak",
    "fo.d/a.conf",
  ];
  for (const file of files) {
    mkdirSync(join(directory, "etc/keelson", file, ".."), { recursive: true });
    writeFileSync(join(directory, "etc/keelson", file), `[environment]\nFILE = ${file}\n`);
  }
  const read = (file: string) => ({
    path: `/etc/keelson/foo.d/${file}`,
    sections: { environment: { FILE: `foo.d/${file}` } },
  });
  expect(readOverrides(root, "foo", hostPlaces)).toEqual([read("10-a.conf"), read("20-b.conf"), read("ä.conf")]);
});
