import assert from "node:assert/strict";
import { readDataset } from "../part.ts";
import { SampleReader } from "../reader.ts";
import { openPool } from "../made/pool.ts";
import { assertRefused, tempFolder } from "../testing.ts";
import { byteTokenizer, parseTokenizer, readTokenizer } from "./tokenizer.ts";
import { BYTE_LETTERS } from "./words.ts";

const BERT_WORDS = [
  ...["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
  ...["un", "##aff", "##able", "the", "cat", "sat", ".", "!", "resume", "中", "##s", "a"],
];

/** A tokenizer as BERT's, over a few words. */
function bert(): string {
  return JSON.stringify({
    added_tokens: BERT_WORDS.slice(0, 5).map((content, id) => ({ id, content, special: true })),
    normalizer: { type: "BertNormalizer", clean_text: true, strip_accents: null, lowercase: true },
    pre_tokenizer: { type: "BertPreTokenizer" },
    model: {
      type: "WordPiece",
      unk_token: "[UNK]",
      continuing_subword_prefix: "##",
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(BERT_WORDS.map((word, id) => [word, id])),
    },
  });
}

/** A tokenizer as GPT-2's: all bytes, and a few merges. */
function gpt(): string {
  const merges = [["h", "e"], ["l", "l"], ["he", "ll"], ["hell", "o"], ["Ġ", "w"], ["o", "r"]];
  const tokens = [...BYTE_LETTERS, ...merges.map(([a, b]) => a! + b!), "<|endoftext|>"];
  return JSON.stringify({
    added_tokens: [{ id: tokens.length - 1, content: "<|endoftext|>", special: true }],
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, use_regex: true },
    model: {
      type: "BPE",
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges: merges.map((pair) => pair.join(" ")),
    },
  });
}

Deno.test("word pieces are BERT's: longest first, accents and case dropped, signs apart", () => {
  const { encode, vocabulary } = parseTokenizer(bert(), "t.json");
  const words = (text: string) => encode(text).map((id) => BERT_WORDS[id]);
  assert.equal(vocabulary, BERT_WORDS.length);
  assert.deepEqual(words("Unaffable\tCATS!"), ["un", "##aff", "##able", "cat", "##s", "!"]);
  assert.deepEqual(words("Résumé 中中 xyz [MASK]."), [
    "resume",
    "中",
    "中",
    "[UNK]",
    "[MASK]",
    ".",
  ]);
  assert.deepEqual(words("unaffablex"), ["[UNK]"], "a word is known whole or not at all");
});

Deno.test("byte pairs are GPT-2's: blanks stay, merges go by rank, any byte is known", () => {
  const { encode, vocabulary, idOf } = parseTokenizer(gpt(), "t.json");
  assert.equal(vocabulary, 256 + 7);
  const hello = idOf("hello")!;
  assert.deepEqual(encode("hello wor<|endoftext|>hello"), [
    hello,
    idOf("Ġw")!,
    idOf("or")!,
    262,
    hello,
  ]);
  const bytes = encode("é\n\n x").map((id) => [...BYTE_LETTERS][id]);
  assert.deepEqual(bytes, ["Ã", "©", "Ċ", "Ċ", "Ġ", "x"]);
});

Deno.test("a tokenizer that is missing or strange is named", async () => {
  await using folder = await tempFolder();
  const missing = `${folder.path}/tokenizer.json`;
  await assertRefused(
    () => readTokenizer(missing),
    /tokenizer .*tokenizer\.json: no such file.*or write tokenizer: bytes/,
  );
  const text = await folder.file("a.txt", "some words");
  await assertRefused(() => readDataset({ text, tokenizer: missing }), /tokenizer\.json: no such/);
  const cases: [string, RegExp][] = [
    ["{", /t\.json: is no JSON/],
    ["[]", /expected a key "model"/],
    ['{"model": {"type": "Unigram", "vocab": {}}}', /model "Unigram" is unknown/],
    ['{"model": {"type": "BPE", "vocab": {"a": -1}}}', /token "a" has the id -1/],
    ['{"model": {"type": "BPE", "vocab": {}}}', /no list "merges"/],
    ['{"model": {"vocab": {}}, "normalizer": {"type": "Nmt"}}', /normalizer "Nmt" is unknown/],
    ['{"model": {"vocab": {}}, "pre_tokenizer": {"type": "X"}}', /pre_tokenizer "X" is unknown/],
    ['{"model": {"vocab": {}}, "added_tokens": [{}]}', /added token has no "content"/],
  ];
  for (const [content, message] of cases) {
    await assertRefused(() => parseTokenizer(content, "t.json"), message);
  }
});

Deno.test("windows of text have the next token as their label", async () => {
  await using folder = await tempFolder();
  const text = await folder.file("a.txt", "abcdefgh\nijk");
  const { inputs, labels, count } = await readDataset({ text, block_size: 4 });
  assert.equal(count, 2);
  const { bytes } = inputs.get("")!;
  const ids = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  assert.equal(String.fromCharCode(...ids), "abcdefgh");
  const next = labels.get("")!.bytes;
  const nextIds = new Int32Array(next.buffer, next.byteOffset, next.byteLength / 4);
  assert.equal(String.fromCharCode(...nextIds), "bcdefgh\n");
  const lines = await readDataset({ text, block_size: 4, lines: true });
  const rows = new Int32Array(lines.labels.get("")!.bytes.slice().buffer);
  assert.deepEqual([...rows], [..."bcde"].map((c) => c.charCodeAt(0)).concat(106, 107, -100, -100));
  await assertRefused(
    () => readDataset({ text, block_size: 99 }),
    /has 12 tokens; expected at least 100/,
  );
});

Deno.test("masked samples hide what they ask for, each epoch anew", async () => {
  await using folder = await tempFolder();
  const sentence = "The cat sat. The cats sat! A cat sat. The cat, unaffable, sat.";
  const text = await folder.file("a.txt", Array(12).fill(sentence).join("\n\n"));
  const tokenizer = await folder.file("tokenizer.json", bert());
  const block = 16;
  const dataset = await readDataset({ text, tokenizer, block_size: block, task: "masked" });
  const names = ["input_ids", "token_type_ids", "attention_mask"];
  const slots = (list: string[], dims: number[]) =>
    list.map((name) => ({ name, dtype: "int64" as const, dims }));
  const feeds = [
    ...dataset.inputFeeds(slots(names, [block])),
    ...dataset.labelFeeds([
      ...slots(["labels"], [block]),
      ...slots(["next_sentence_label"], []),
    ]),
  ];
  const read = async (workers: number, epoch: number) => {
    using pool = openPool(workers);
    const reader = new SampleReader({
      ...{ dataset, feeds, seed: 1, shuffle: false, anew: true, stream: 0 },
      pool: () => pool,
      warn: () => {},
    });
    const at = { epoch, start: 0, samples: reader.count };
    await reader.ready(at);
    return feeds.map((feed) => {
      const values = new BigInt64Array(reader.count * (feed.dims[0] ?? 1));
      reader.take(feed, at, new Uint8Array(values.buffer));
      return [...values].map(Number);
    });
  };
  const [ids, types, attention, labels, order] = await read(0, 0) as number[][];
  assert.deepEqual(await read(2, 0), [ids, types, attention, labels, order]);
  assert.notDeepEqual((await read(0, 1))[3], labels);
  let [hidden, masked] = [0, 0];
  for (let sample = 0; sample < dataset.count; sample++) {
    const row = (values: number[]) => values.slice(sample * block, (sample + 1) * block);
    const length = row(attention!).reduce((a, b) => a + b);
    const [cls, ...rest] = row(ids!);
    assert.deepEqual([cls, rest[length - 2]], [2, 3], "[CLS] … [SEP]");
    assert.ok(row(ids!).slice(length).every((id) => id === 0));
    assert.equal(row(types!).slice(0, length).filter((type) => type === 0).length > 2, true);
    assert.ok(row(labels!).some((label) => label !== -100), "something is to be guessed");
    row(labels!).forEach((label, i) => {
      if (label === -100) return;
      hidden += 1;
      if (row(ids!)[i] === 4) masked += 1;
      assert.ok(i > 0 && i < length - 1 && ![0, 2, 3, 4].includes(label));
    });
  }
  assert.ok(masked / hidden > 0.5, `${masked} of ${hidden}`);
  assert.deepEqual([...new Set(order)].sort(), [0, 1]);
});

Deno.test("text is the same whether its tokens were made or kept", async () => {
  await using folder = await tempFolder();
  const sentence = "The cat sat. The cats sat! A cat sat. The cat, unaffable, sat.";
  const text = await folder.file("a.txt", Array(12).fill(sentence).join("\n\n"));
  const tokenizer = await folder.file("tokenizer.json", bert());
  const warn = (message: string) => assert.fail(message);
  const tokens = { folder: `${folder.path}/tokens`, warn };
  const tasks = [{}, { lines: true }, { task: "masked" }] as const;
  for (const [i, task] of tasks.entries()) {
    const part = { text, tokenizer, block_size: 16, ...task };
    const plain = await readDataset(part);
    for (const _ of ["made", "kept"]) {
      const kept = await readDataset(part, undefined, { tokens });
      assert.deepEqual(kept.inputs, plain.inputs);
      assert.deepEqual(kept.labels, plain.labels);
      assert.deepEqual(kept.made, plain.made);
    }
    assert.equal([...Deno.readDirSync(tokens.folder)].length, i + 1);
  }
});

Deno.test("masking needs its special tokens", async () => {
  await using folder = await tempFolder();
  const text = await folder.file("a.txt", "One two. Three four.");
  const tokenizer = await folder.file("tokenizer.json", gpt());
  await assertRefused(
    () => readDataset({ text, tokenizer, task: "masked" }),
    /has no token \[PAD\] or <pad>, which masking needs/,
  );
  assert.equal(byteTokenizer().idOf("[MASK]"), 259);
});
