import { foldLayers } from "../../src/layer/apply.ts";
import type { LayerChange } from "../../src/layer/change.ts";
import { readNewList } from "../../src/store/change-list.ts";
import { checkout } from "../../src/store/checkout.ts";
import { openRepository, type Repository, stageCommit, writeRef } from "../../src/store/repository.ts";
import { unpack } from "../../src/store/unpack.ts";

const limits = { entries: 1_000_000, bytes: 2 ** 34 };

/** The change list of a layer's tar. */
export async function unpackBytes(repository: Repository, tar: Buffer): Promise<readonly LayerChange[]> {
  const list = await unpack(
    (async function* () {
      yield tar;
    })(),
    repository,
    limits,
  );
  return [...readNewList(list)];
}

/** Unpacks layers, lowest first, into a repository of their own and checks their tree out; the repository. */
export async function deploy(tars: readonly Buffer[], repository: string, directory: string): Promise<Repository> {
  const opened = openRepository(repository);
  const layers: (readonly LayerChange[])[] = [];
  for (const tar of tars) layers.push(await unpackBytes(opened, tar));
  const tree = foldLayers(layers);
  const commit = stageCommit(opened, tree, "test", 0);
  opened.publish();
  writeRef(opened, "keelson/image/test", commit);
  checkout(opened, tree, directory);
  return opened;
}
