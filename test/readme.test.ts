import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { describe, expect, it } from "vitest";
import manifest from "../package.json" with { type: "json" };
import { commandLine } from "../src/cli.ts";
import { controlNames } from "../src/contract/exports.ts";
import { variablesIn } from "../src/contract/template.ts";
import { builtInVariables, forcedVariables, weakVariables } from "../src/contract/values.ts";
import { errorCodes, statuses } from "../src/errors.ts";
import { causeCodes } from "../src/plan/causes.ts";
import { environmentVariables, settingKeys, settingsPath } from "../src/settings.ts";

const root = join(import.meta.dirname, "..");
const readme = readFileSync(join(root, "README.md"), "utf8");
const program = commandLine("0", () => {
  throw new Error("no command is run here");
});

/** The rows of the table under a heading: cells without code marks and escapes, the heading row left out. */
function tableUnder(heading: string): readonly (readonly string[])[] {
  const section = readme.split(/^(?=#)/m).find((part) => part.startsWith(`${heading}\n`));
  if (section === undefined) throw new Error(`README has no section ${heading}`);
  const lines = section.slice(section.search(/^\|/m)).split(/\n(?!\|)/)[0] ?? "";
  const rows = lines.split("\n").slice(2);
  if (!lines.startsWith("|") || rows.length === 0) throw new Error(`README has no table under ${heading}`);
  return rows.map((row) => {
    const cells = row.replace(/^\||\|$/g, "").split(/(?<!\\)\|/);
    return cells.map((cell) => cell.trim().replaceAll("`", "").replaceAll("\\|", "|"));
  });
}

function firstCells(heading: string): readonly string[] {
  return tableUnder(heading)
    .map(([cell = ""]) => cell)
    .sort();
}

function optionsOf(command: Command): readonly (readonly string[])[] {
  return command.options.map(({ flags, description }) => [flags, description]).sort();
}

interface Listed {
  /** With the names of the commands it is part of. */
  readonly name: string;
  readonly command: Command;
}

/** Every command with its parts, but for those of `plan`, which are other commands again. */
const commands: readonly Listed[] = program.commands.flatMap((command) => [
  { name: command.name(), command },
  ...(command.name() === "plan" ? [] : command.commands).map((part) => ({
    name: `${command.name()} ${part.name()}`,
    command: part,
  })),
]);

function usageOf({ name, command }: Listed): string {
  const usage = command.registeredArguments.map((argument) => {
    const what = `${argument.name()}${argument.variadic ? "..." : ""}`;
    return argument.required ? `<${what}>` : `[${what}]`;
  });
  return [name, ...usage].join(" ");
}

describe("README", () => {
  it("lists every error code with its exit status and meaning, and no other", () => {
    const codes = Object.entries(errorCodes).map(([code, { status, meaning }]) => [code, String(status), meaning]);
    expect(tableUnder("### Error codes")).toEqual(codes);
  });

  it("lists every cause, and no other", () => {
    expect(tableUnder("#### Causes")).toEqual(Object.entries(causeCodes));
  });

  it("lists every exit status", () => {
    const known = [...Object.values(errorCodes).map(({ status }) => status), ...Object.values(statuses)];
    expect(firstCells("### Exit statuses")).toEqual([...new Set(known.map(String))].sort());
  });

  it("lists every setting with its default and meaning, and no other", () => {
    const keys = Object.entries(settingKeys).map(([key, row]) => [key, row.default || "none", row.meaning]);
    expect(tableUnder("### Settings")).toEqual(keys);
    expect(readme).toContain(`\`${settingsPath}\``);
  });

  it("lists every environment variable, and no other", () => {
    expect(tableUnder("### Environment")).toEqual(Object.entries(environmentVariables));
  });

  it("lists every command", () => {
    expect(firstCells("## Commands")).toEqual(commands.map(usageOf).sort());
    expect(commands.map(({ name }) => name)).toContain("images rm");
  });

  it("lists every global option", () => {
    expect(tableUnder("### Options of every command").toSorted()).toEqual(optionsOf(program));
  });

  it.each(
    commands.filter(({ command }) => command.options.length > 0).map(({ name, command }) => [name, command] as const),
  )("lists every option of %s", (name, command) => {
    expect(tableUnder(`### keelson ${name}`).toSorted()).toEqual(optionsOf(command));
  });

  it("has a section of every command, and of no other", () => {
    const sections = [...readme.matchAll(/^### keelson (.+)$/gm)].map(([, name]) => name);
    expect(sections.sort()).toEqual(commands.map(({ name }) => name).sort());
  });

  it("lists every template variable under the right heading", () => {
    expect(firstCells("#### Set by keelson alone")).toEqual([...forcedVariables].sort());
    expect(firstCells("#### Provided unless --set says otherwise")).toEqual(
      [...builtInVariables, ...weakVariables].sort(),
    );
    const used = ["service.hbs", "config.json.hbs", "tmpfiles.hbs"].flatMap((name) => {
      const text = readFileSync(join(root, "unit-templates", name), "utf8");
      return variablesIn({ kind: "handlebars", name, text });
    });
    const common = [...forcedVariables, ...builtInVariables, ...weakVariables];
    const own = [...new Set(used)].filter((variable) => !common.includes(variable));
    expect(firstCells("### An image without /exports")).toEqual(own.sort());
  });

  it("lists every file that is read from /exports", () => {
    const listed = firstCells("### Files in /exports").filter((name) => !name.endsWith("/"));
    expect(listed).toEqual([...controlNames].sort());
  });

  it("lists every npm script", () => {
    expect(firstCells("## Development")).toEqual(
      Object.keys(manifest.scripts)
        .map((name) => (name === "test" ? "npm test" : `npm run ${name}`))
        .sort(),
    );
  });
});
