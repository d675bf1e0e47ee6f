import { type ExecFileException, execFile } from "node:child_process";
import { copyFile, cp, glob, mkdir, open, readFile, realpath, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";

/** One line of a `packages` list: a Debian package, and which of its files an image takes (patterns, from the root). */
export interface PackageFiles {
  readonly package: string;
  readonly patterns: readonly string[];
}

/** Reads a `packages` list: `PACKAGE [PATH...]` a line, `#` starts a comment. */
export function parsePackages(text: string): readonly PackageFiles[] {
  return text
    .split("\n")
    .map((line) => line.replace(/#.*/, "").trim().split(/\s+/))
    .flatMap(([name, ...patterns]) => (name ? [{ package: name, patterns }] : []));
}

/** The `packages` list at `path`. */
export async function readPackages(path: string): Promise<readonly PackageFiles[]> {
  return parsePackages(await readFile(path, "utf8"));
}

/**
 * The .deb files of `names` out of the host's Debian archive, by package name. What is in the directory `cache` already is
 * not fetched again; the lists of apt-get are brought up to date only when it does not know a package.
 */
export async function fetchPackages(names: readonly string[], cache: string): Promise<ReadonlyMap<string, string>> {
  await mkdir(cache, { recursive: true });
  const unique = [...new Set(names)].sort();
  const files = await listDownloads(unique).catch(async () => {
    await runProgram("apt-get", ["update"]);
    return listDownloads(unique);
  });
  const missing: string[] = [];
  for (const [name, file] of files) {
    if (!(await stat(join(cache, file)).catch(() => undefined))) missing.push(name);
  }
  if (missing.length > 0) await download(missing, cache);
  return new Map([...files].map(([name, file]) => [name, join(cache, file)]));
}

/** Unpacks .deb files into `directory`, as files: nothing is installed and no maintainer script runs. */
export async function unpackPackages(files: readonly string[], directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  for (const file of files) await runProgram("dpkg-deb", ["--extract", file, directory]);
}

/**
 * Copies what `list` names out of `unpacked` into `root`, with the shared libraries those programs need. Links are
 * followed, so that every path holds the file itself; modes are kept.
 */
export async function copyFiles(list: readonly PackageFiles[], unpacked: string, root: string): Promise<void> {
  for (const { package: name, patterns } of list) {
    for (const pattern of patterns) {
      const found = await findFiles(pattern.replace(/^\//, ""), unpacked);
      if (found.length === 0) throw new Error(`${pattern} is not in the package ${name}`);
      for (const path of found) await copyWithLibraries(path, unpacked, root);
    }
  }
}

/** Runs a program to its end and gives what it wrote to stdout. Throws with its last words when it fails. */
export async function runProgram(program: string, argv: readonly string[]): Promise<string> {
  try {
    const options = { maxBuffer: 1 << 26, env: { ...process.env, LC_ALL: "C" } };
    return (await promisify(execFile)(program, argv, options)).stdout;
  } catch (error) {
    const { code, stderr } = error as ExecFileException & { readonly stderr?: string };
    if (code === "ENOENT") throw new Error(`${program} is not installed`);
    throw new Error(`${program} ${argv.join(" ")} failed: ${stderr?.trim() || code}`, { cause: error });
  }
}

/** The file name that `apt-get download` gives each package. Nothing is fetched. */
async function listDownloads(names: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const lines = await runProgram("apt-get", ["download", "--print-uris", "--quiet=2", ...names]);
  const files = [...lines.matchAll(/^'[^']*' (\S+) /gm)].map((match) => match[1] ?? "");
  return new Map(
    names.map((name) => {
      const file = files.find((candidate) => candidate.startsWith(`${name}_`));
      if (file === undefined) throw new Error(`apt-get knows no package ${name}`);
      return [name, file];
    }),
  );
}

async function download(names: readonly string[], cache: string): Promise<void> {
  // apt-get writes into its working directory; a package counts as fetched only when it has its final place.
  const beside = `${cache}/${process.pid}.new`;
  await mkdir(beside);
  try {
    const download = ["-C", beside, "apt-get", "-o", "APT::Sandbox::User=root", "--quiet=2", "download", ...names];
    await runProgram("env", download);
    for (const file of await findFiles("*.deb", beside)) await rename(join(beside, file), join(cache, file));
  } finally {
    await rm(beside, { recursive: true, force: true });
  }
}

async function copyWithLibraries(path: string, unpacked: string, root: string): Promise<void> {
  const from = await realpath(join(unpacked, path));
  const to = join(root, path);
  await mkdir(dirname(to), { recursive: true });
  if ((await stat(from)).isDirectory()) {
    await cp(from, to, { recursive: true, dereference: true });
    return;
  }
  await copyFile(from, to);
  if (!(await isDynamic(from))) return;
  for (const library of await librariesOf(from, unpacked)) {
    await mkdir(dirname(join(root, library.path)), { recursive: true });
    await copyFile(library.file, join(root, library.path));
  }
}

/** The shared libraries a program needs and its loader: where the file is, and the path it has to have. */
async function librariesOf(program: string, unpacked: string): Promise<readonly { file: string; path: string }[]> {
  const [loader] = await findFiles("lib/*-linux-*/ld-linux*.so.*", unpacked);
  if (loader === undefined)
    throw new Error(`${basename(program)} needs libc6, which the list of packages does not name`);
  const folder = dirname(join(unpacked, loader));
  const search = [folder, folder.replace(/\/lib\/(?=[^/]+$)/, "/usr/lib/")].join(":");
  const text = await runProgram(join(unpacked, loader), [
    "--inhibit-cache",
    "--library-path",
    search,
    "--list",
    program,
  ]);
  return [...text.matchAll(/^\s*(\S+) => (\S.*?) \(0x/gm)].map(([, name = "", file = ""]) => {
    if (!file.startsWith(`${unpacked}/`)) throw new Error(`${basename(program)} needs ${name}: name its package`);
    return { file, path: name.startsWith("/") ? name : file.slice(unpacked.length) };
  });
}

/** Whether a file is an ELF program that names a loader (PT_INTERP). https://refspecs.linuxfoundation.org/elf/gabi4+/ */
async function isDynamic(file: string): Promise<boolean> {
  const handle = await open(file);
  try {
    const head = Buffer.alloc(4096);
    const { bytesRead } = await handle.read(head, 0, head.length, 0);
    if (bytesRead < 64 || head.toString("latin1", 0, 6) !== "\x7fELF\x02\x01") return false;
    const table = Number(head.readBigUInt64LE(32));
    const count = head.readUInt16LE(56);
    return Array.from({ length: count }, (_, i) => table + i * head.readUInt16LE(54)).some(
      (offset) => offset + 4 <= bytesRead && head.readUInt32LE(offset) === 3,
    );
  } finally {
    await handle.close();
  }
}

/** The paths below `directory` that match, in byte order. */
async function findFiles(pattern: string, directory: string): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const path of glob(pattern, { cwd: directory })) found.push(path);
  return found.sort();
}
