// Twelve words by chance, for show. A real wallet makes them as BIP-39 has it: from its list, with a checksum.

const WORDS = (
  "acorn amber anchor apple april apron arbor arrow aspen atlas autumn badge baker basil basin beach beacon beech berry birch " +
  "bishop blanket blossom boat border bottle branch brass bread breeze brick bridge bronze brook broom brush bucket butter button cabin " +
  "cactus camel candle canoe canvas canyon carbon carpet castle cedar cello chalk chapel cherry chess chimney cider cinder circle citrus " +
  "clay cliff clock cloud clover coast cobalt cocoa comet copper coral cork corner cotton cradle crane crater cream cricket crystal " +
  "curtain dagger daisy dawn delta denim desert diamond dolphin donkey dragon drum dune eagle easel ebony echo elbow elm ember " +
  "emerald engine fable falcon feather fennel fern ferry fiddle field finch flame flint flour forest fossil fountain fox frost galaxy " +
  "garden garlic garnet gate geyser ginger glacier glove goose granite grape gravel grove guitar gull hammer harbour harp harvest hazel " +
  "heather hedge helmet heron hickory hill honey horizon hornet indigo inlet iris island ivory ivy jacket jade jasmine jewel juniper " +
  "kayak kernel kettle kiln kite ladder lagoon lantern larch laurel lava leather lemon lentil lily linen lizard lobster locket lotus " +
  "lumber magnet mango maple marble marsh meadow melon mercury mesa mint mirror mosaic moss moth mustard nectar needle nettle nickel " +
  "nutmeg oak oasis oat ocean olive onion opal orbit orchid otter oyster paddle palm panther paper parsley pearl pebble pepper " +
  "petal pewter pigeon pillar pine planet plum pocket pollen pond poplar poppy prairie prism pumpkin quartz quill quilt raven reed ribbon " +
  "ridge river robin rocket rose ruby saddle saffron sage salmon sand sapphire satin scarf"
).split(" ");

/** A byte chooses a word: the list has 256. */
export function newWords(): string {
  const chosen = [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => WORDS[byte] ?? "");
  return chosen.join(" ");
}
