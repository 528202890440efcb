-- The latest version of each record: by `modified_at`, then `extracted_at`, then `record_id`.
--
-- Tenant, user, session and `interaction_id` name a record over its versions. An id is unique only within its session:
-- for a record without one, its app stands for it. A row without an `interaction_id` has no name, so nothing says of
-- what it would be a version: each is a record of its own.
CREATE OR REPLACE {VIEW} latest_interactions AS
WITH versions AS (
    SELECT
        record_id,
        row_number() OVER (
            PARTITION BY
                tenant_id,
                user_id,
                session_id,
                CASE WHEN session_id IS NULL THEN app_class END,
                interaction_id,
                CASE WHEN interaction_id IS NULL THEN record_id END
            ORDER BY modified_at DESC NULLS LAST, extracted_at DESC, record_id DESC
        ) AS place
    FROM interactions
)
SELECT *
FROM interactions
WHERE NOT EXISTS (
    SELECT 1 FROM versions WHERE versions.record_id = interactions.record_id AND versions.place > 1
);

-- One row per prompt and response, each in its latest version.
--
-- They belong together by tenant, user, session and `request_id`. Where neither has a session, as in apps that know
-- none, the rest decides; where only one has, they do not belong together. Without a `request_id` nothing does. A
-- prompt without a response and a response without a prompt are rows with nulls on the other side. Where several
-- prompts share a `request_id`, nothing says which of them was answered: each has a row with each of the responses.
--
-- `response_ordinal` is the place among the responses of a prompt, from 0, by `created_at`, `interaction_id` and
-- `record_id`; null without a prompt or a response. `latency_ms` is what lies between the two `created_at`, in whole
-- milliseconds, towards zero: below zero where the response says that it is the older one, null where either is null.
CREATE OR REPLACE {VIEW} turns AS
WITH prompts AS (
    SELECT * FROM latest_interactions WHERE interaction_type = 'userPrompt'
),
responses AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY tenant_id, user_id, session_id, request_id
            ORDER BY created_at ASC NULLS LAST, interaction_id ASC NULLS LAST, record_id ASC
        ) - 1 AS ordinal
    FROM latest_interactions
    WHERE interaction_type = 'aiResponse'
)
SELECT
    coalesce(prompts.tenant_id, responses.tenant_id) AS tenant_id,
    coalesce(prompts.user_id, responses.user_id) AS user_id,
    coalesce(prompts.session_id, responses.session_id) AS session_id,
    coalesce(prompts.request_id, responses.request_id) AS request_id,
    coalesce(prompts.app, responses.app) AS app,
    coalesce(prompts.app_class, responses.app_class) AS app_class,
    coalesce(prompts.agent_id, responses.agent_id) AS agent_id,
    coalesce(prompts.conversation_type, responses.conversation_type) AS conversation_type,
    coalesce(prompts.locale, responses.locale) AS locale,
    prompts.record_id AS prompt_record_id,
    prompts.interaction_id AS prompt_interaction_id,
    prompts.created_at AS prompt_created_at,
    prompts.text AS prompt_text,
    prompts.attachment_count AS prompt_attachment_count,
    prompts.context_count AS prompt_context_count,
    responses.record_id AS response_record_id,
    responses.interaction_id AS response_interaction_id,
    CAST(CASE WHEN prompts.record_id IS NOT NULL THEN responses.ordinal END AS INTEGER) AS response_ordinal,
    responses.created_at AS response_created_at,
    responses.text AS response_text,
    responses.attachment_count AS response_attachment_count,
    responses.link_count AS response_link_count,
    {latency_ms} AS latency_ms,
    coalesce(prompts.date, responses.date) AS date
FROM prompts
FULL OUTER JOIN responses
    ON prompts.tenant_id = responses.tenant_id
    AND prompts.user_id = responses.user_id
    AND prompts.session_id IS NOT DISTINCT FROM responses.session_id
    AND prompts.request_id = responses.request_id;

-- One row per citation, with the interaction that it stands in and what it points to.
--
-- `label`, `link_type` and `entry_ordinal` (its `link_ordinal`) are those of the entry of `links[]` of the same record
-- with the same `url_key`; of several, such as the event and the meeting of one appointment, the first. They are null
-- where there is none. Every version of a record has its citations; those of the latest alone:
-- `SELECT citations.* FROM citations SEMI JOIN latest_interactions USING (record_id)`.
CREATE OR REPLACE {VIEW} citations AS
WITH entries AS (
    SELECT
        record_id,
        url_key,
        link_ordinal,
        label,
        link_type,
        row_number() OVER (PARTITION BY record_id, url_key ORDER BY link_ordinal) AS place
    FROM links
    WHERE origin = 'links' AND url_key IS NOT NULL
)
SELECT
    links.tenant_id,
    links.user_id,
    links.record_id,
    links.session_id,
    links.interaction_id,
    links.etag,
    links.created_at,
    interactions.request_id,
    interactions.interaction_type,
    interactions.app,
    interactions.app_class,
    interactions.agent_id,
    links.link_ordinal,
    links.citation_number,
    links.footnote_number,
    links.label AS citation_label,
    links.url,
    links.url_key,
    links.scheme,
    links.host,
    entries.label,
    entries.link_type,
    entries.link_ordinal AS entry_ordinal,
    links.origin,
    links.attachment_ordinal,
    links.pointer,
    links.date
FROM links
LEFT JOIN interactions
    ON interactions.record_id = links.record_id
LEFT JOIN entries
    ON entries.record_id = links.record_id
    AND entries.url_key = links.url_key
    AND entries.place = 1
WHERE links.role = 'citation';
