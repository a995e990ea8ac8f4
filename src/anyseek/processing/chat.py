"""The prompts of `template` as jinja chat templates, for libraries that build prompts that way.

What they render is exactly the text of `embedding_prompt` and `reranking_prompt`; tests hold the two together. A video
is written as the published templates write it, which transformers 4.57 and vLLM replace by timed frames.
"""

import functools
import sys
import unicodedata

from anyseek.processing import template

__all__ = ["embedding_chat_template", "reranking_chat_template"]

CONTENT = """\
{%- if not message.content is string -%}
  {%- for part in message.content -%}
    {%- if part.type == 'image' or 'image' in part or 'image_url' in part -%}
      {{- '<|vision_start|><|image_pad|><|vision_end|>' -}}
    {%- elif part.type == 'video' or 'video' in part or 'video_url' in part -%}
      {{- '<|vision_start|><|video_pad|><|vision_end|>' -}}
    {%- elif 'text' in part -%}
      {{- part.text -}}
    {%- endif -%}
  {%- endfor -%}
  {%- if not message.content -%}{{- 'NULL' -}}{%- endif -%}
{%- else -%}
  {{- message.content -}}
{%- endif -%}
"""
"""The content of one message, in the order given; nothing at all is the text NULL."""

SYSTEM = """\
{%- set said = namespace(instruction='') -%}
{%- for message in messages if message.role == 'system' -%}
  {%- if message.content is string -%}
    {%- set said.instruction = message.content -%}
  {%- else -%}
    {%- for part in message.content if 'text' in part -%}
      {%- set said.instruction = said.instruction + part.text -%}
    {%- endfor -%}
  {%- endif -%}
{%- endfor -%}
"""
"""Gathers the instruction from the system message."""

EMBEDDING = """\
{%- set said.instruction = said.instruction | trim -%}
{%- if said.instruction and said.instruction[-1] not in PUNCTUATION -%}
  {%- set said.instruction = said.instruction + '.' -%}
{%- endif -%}
{{- '<|im_start|>system\\n' + (said.instruction or DEFAULT) + '<|im_end|>\\n' -}}
{%- for message in messages if message.role != 'system' -%}
{{- '<|im_start|>' + message.role + '\\n' -}}
CONTENT
{{- '<|im_end|>\\n' -}}
{%- endfor -%}
{{- '<|im_start|>assistant\\n' -}}
"""

RERANKING = """\
{{- '<|im_start|>system\\n' + JUDGE + '<|im_end|>\\n<|im_start|>user\\n' -}}
{{- '<Instruct>: ' + (said.instruction or DEFAULT) + '<Query>:' -}}
{%- for message in messages if message.role == 'query' -%}
CONTENT
{%- endfor -%}
{{- '\\n<Document>:' -}}
{%- for message in messages if message.role == 'document' -%}
CONTENT
{%- endfor -%}
{{- '<|im_end|>\\n<|im_start|>assistant\\n' -}}
"""


def embedding_chat_template() -> str:
    """Messages (an optional system message with the instruction, a user message) to the embedding prompt.

    The opening of the answer is always written: the vector is read there, whatever `add_generation_prompt` says.
    """
    return _filled(SYSTEM + EMBEDDING, template.DEFAULT_EMBEDDING_INSTRUCTION)


def reranking_chat_template() -> str:
    """Messages (an optional system message with the instruction, a query, a document) to the reranking prompt."""
    return _filled(SYSTEM + RERANKING, template.DEFAULT_RERANKING_INSTRUCTION)


def _filled(text: str, instruction: str) -> str:
    """A template with its constants written in."""
    constants = {"PUNCTUATION": _punctuation(), "DEFAULT": instruction, "JUDGE": template.JUDGE}
    text = text.replace("CONTENT\n", CONTENT)
    for name, value in constants.items():
        text = text.replace(name, _quoted(value))
    return text


def _quoted(text: str) -> str:
    """A jinja string literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


@functools.cache
def _punctuation() -> str:
    """Every character of Unicode's punctuation categories: jinja cannot ask for the category of one."""
    characters = map(chr, range(sys.maxunicode + 1))
    return "".join(c for c in characters if unicodedata.category(c).startswith("P"))
