//! Users named in a file: CSV with a header, one user a line.

use super::discover::UserRef;
use crate::ExtractError;

/// The columns that can name a user, the better first.
const COLUMNS: [&str; 2] = ["id", "userPrincipalName"];

/// Reads the users of a CSV file: the column `id` (an object id), else `userPrincipalName`, whatever else it holds.
/// Where both are there, a line without an id goes by its name. Upper and lower case of the header are one.
pub fn read_users_csv(bytes: &[u8]) -> Result<Vec<UserRef>, ExtractError> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text);
    let headers = reader.headers().map_err(ExtractError::UsersFile)?.clone();
    let place = |name: &str| headers.iter().position(|header| header.eq_ignore_ascii_case(name));
    let columns: Vec<usize> = COLUMNS.into_iter().filter_map(place).collect();
    if columns.is_empty() {
        let problem = format!("it has no column {:?} or {:?}", COLUMNS[0], COLUMNS[1]);
        return Err(ExtractError::UsersFileContent { problem });
    }
    let mut users = Vec::new();
    for record in reader.records() {
        let record = record.map_err(ExtractError::UsersFile)?;
        let named = columns.iter().filter_map(|column| record.get(*column)).find(|name| !name.is_empty());
        let Some(name) = named else {
            let line = record.position().map_or(0, csv::Position::line);
            return Err(ExtractError::UsersFileContent { problem: format!("line {line} names no user") });
        };
        users.push(UserRef::parse(name));
    }
    Ok(users)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables() {
        let id = "00000000-0000-0000-0000-000000000001";
        let by_name = "jo@contoso.com";
        for (csv, users) in [
            (format!("id\n{id}\n"), Some(vec![id])),
            (format!("\u{feff}ID,x\r\n {id} ,1\r\n"), Some(vec![id])),
            (format!("displayName,userPrincipalName\nJo,{by_name}\n"), Some(vec![by_name])),
            (
                format!("userPrincipalName,id\n{by_name},{id}\nal@contoso.com,\n"),
                Some(vec![id, "al@contoso.com"]),
            ),
            ("id\n".into(), Some(vec![])),
            ("name\nJo\n".into(), None),
            ("id,x\n,1\n".into(), None),
            ("id\na,b\n".into(), None),
        ] {
            let read = read_users_csv(csv.as_bytes()).ok();
            let users = users.map(|users| users.into_iter().map(UserRef::parse).collect::<Vec<_>>());
            assert_eq!(read, users, "{csv}");
        }
    }
}
