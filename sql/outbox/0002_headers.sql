-- What a consumer wants to know about an event besides its payload. Written by `services/outbox`; the
-- relay makes a header of each where its configuration says so (services/outbox/README.md has it).
-- Behind a migration of its own: a table that feeds no consumer of ours needs none of it.
alter table outbox
    -- W3C trace context: the span that wrote the event. Becomes the header `traceparent`. The form in
    -- use has 55 characters, later versions may have more.
    add column traceparent varchar(255) character set ascii collate ascii_bin null,

    -- The business process that the event belongs to, such as a saga's id. Becomes the header
    -- `correlation-id`.
    add column correlation_id varchar(290) character set utf8mb4 collate utf8mb4_bin null,

    -- The event that this one answers. Becomes the header `causation-id`.
    add column causation_id varchar(290) character set ascii collate ascii_bin null;
